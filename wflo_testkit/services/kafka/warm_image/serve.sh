# Become the broker. The argument: the listeners that it advertises.
warm=/tmp/wflo-warm
{
    cat $warm/formatted.properties
    echo "advertised.listeners=$1" # of two lines for one setting the last counts
} >$warm/server.properties
archive=$(cat $warm/archive)
set -- $warm/server.properties
. $warm/java.sh
