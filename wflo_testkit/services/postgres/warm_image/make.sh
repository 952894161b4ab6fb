# Make a cluster, stop it cleanly. The arguments are the server's command.
# What comes before this text exports the variables of the official image.
set -eu
folder=/wflo-warm
export PGDATA=$folder/cluster POSTGRES_PASSWORD="$(cat $folder/verifier)"
rm $folder/verifier

# The image's own entrypoint makes the cluster. Its temporary server has a Unix socket only, so
# it is past when the port answers.
docker-entrypoint.sh "$@" &
server=$!
until pg_isready --quiet --host=127.0.0.1; do
    kill -0 $server
    sleep 0.1
done
# PostgreSQL manual, Shutting Down the Server: SIGINT is the "fast" way, with a checkpoint.
kill -INT $server
wait $server
