# Become the broker. The argument: the listeners that it advertises.
warm=/tmp/wflo-warm
. $warm/assemble.sh
archive=$(cat $warm/archive)
set -- $warm/server.properties
. $warm/java.sh
