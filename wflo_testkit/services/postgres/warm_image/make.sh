# Make a cluster, stop it cleanly. The arguments are the server's command.
# What comes before this text exports the variables of the official image.
set -eu
folder=/wflo-warm
export PGDATA=$folder/cluster POSTGRES_PASSWORD="$(cat $folder/verifier)"
rm $folder/verifier

# Run the SQL on stdin in the database that is named; the first statement that fails ends all.
sql() {
    psql --no-psqlrc --quiet --output=/dev/null --set=ON_ERROR_STOP=1 \
        --username="$POSTGRES_USER" --dbname="$1"
}

# The dump of a run's template becomes a template again, if it comes out as it went in.
restore() {
    template=$(cat $folder/schema)
    sql "$POSTGRES_DB" <<SQL
CREATE ROLE wflo_ready NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION;
CREATE DATABASE "$template" OWNER wflo_ready;
SQL
    if [ -e $folder/extensions.sql ]; then
        sql "$template" <$folder/extensions.sql
    fi
    # The dump comments on each extension, which only the one who made it may do.
    psql --no-psqlrc --tuples-only --no-align --username="$POSTGRES_USER" --dbname="$template" \
        --command="SELECT '/^COMMENT ON EXTENSION ' || quote_ident(extname) || ' IS /d'
            FROM pg_extension" >$folder/comments.sed
    sed -f $folder/comments.sed $folder/schema.sql >$folder/rest.sql
    PGOPTIONS='-c role=wflo_ready' sql "$template" <$folder/rest.sql
    pg_dump --username="$POSTGRES_USER" --no-owner --dbname="$template" >$folder/again.sql
    # Newer versions put a random word into each dump (PostgreSQL manual, pg_dump --restrict-key).
    for each in schema again; do
        sed -i '/^\\restrict /d; /^\\unrestrict /d' $folder/$each.sql
    done
    cmp $folder/schema.sql $folder/again.sql
    sql "$POSTGRES_DB" <<SQL
ALTER DATABASE "$template" OWNER TO "$POSTGRES_USER";
ALTER DATABASE "$template" IS_TEMPLATE true ALLOW_CONNECTIONS false;
SQL
    rm $folder/*.sql $folder/*.sed
}

# The image's own entrypoint makes the cluster. Its temporary server has a Unix socket only, so
# it is past when the port answers.
docker-entrypoint.sh "$@" &
server=$!
until pg_isready --quiet --host=127.0.0.1; do
    kill -0 $server
    sleep 0.1
done
if [ -e $folder/schema ]; then  # not `||`: inside that, failures would go unnoticed
    restore
fi
# PostgreSQL manual, Shutting Down the Server: SIGINT is the "fast" way, with a checkpoint.
kill -INT $server
wait $server
