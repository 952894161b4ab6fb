# Write the broker's settings. The argument: the listeners that it advertises.
warm=/tmp/wflo-warm
{
    cat $warm/formatted.properties
    # The image's file need not end with a newline, and its last line may end with a backslash.
    # Of two lines for one setting the last counts.
    printf '\n\nadvertised.listeners=%s\n' "$1"
} >$warm/server.properties
