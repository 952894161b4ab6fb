# Tell whether no broker has worked on the storage, and whether Java takes the archive.
set -e
warm=/tmp/wflo-warm
storage=$(cat $warm/storage)
[ -s "$storage/meta.properties" ]
if [ -e "$storage/__cluster_metadata-0" ]; then
    echo "a broker has used $storage" >&2
    exit 1
fi
archive=$(cat $warm/insisting)
set -- --version
. $warm/java.sh
