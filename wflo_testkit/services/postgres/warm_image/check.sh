# Tell whether the cluster was stopped cleanly before it was committed.
cluster=/wflo-warm/cluster
state=$(LC_ALL=C pg_controldata $cluster | grep '^Database cluster state:')
case $state in
    *' shut down') [ ! -e $cluster/postmaster.pid ] ;;
    *) echo "$state" >&2; exit 1 ;;
esac
