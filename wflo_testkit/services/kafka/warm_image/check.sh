# Tell whether no broker has worked on the storage, whether a start gives the broker all of its
# settings, and whether Java takes the archive.
set -e
warm=/tmp/wflo-warm
storage=$(cat $warm/storage)
[ -s "$storage/meta.properties" ]
if [ -e "$storage/__cluster_metadata-0" ]; then
    echo "a broker has used $storage" >&2
    exit 1
fi

set -- PLAINTEXT://checked:1,BROKER://checked:2
. $warm/assemble.sh
{
    cat $warm/formatted.properties
    echo
    echo "advertised.listeners=$1"
} >/tmp/wflo-expected
if grep -Fvx -f $warm/server.properties /tmp/wflo-expected ||
    [ "$(sed -n 's/^advertised\.listeners=//p' $warm/server.properties | tail -n 1)" != "$1" ]; then
    echo "what a start writes to $warm/server.properties lacks settings" >&2
    exit 1
fi

archive=$(cat $warm/insisting)
set -- --version
. $warm/java.sh
