#!/bin/bash
# Start PostgreSQL to the contract of the official image (POSTGRES_*, PGDATA, initdb.d).
set -Eeuo pipefail

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# from_file NAME [DEFAULT]: set NAME from itself, from the file that NAME_FILE names, or to DEFAULT.
from_file() {
    local name=$1 file=${1}_FILE
    if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
        die "both $name and $file are set (but are exclusive)"
    fi
    if [ -n "${!file:-}" ]; then
        [ -r "${!file}" ] || die "$file: cannot read ${!file}"
        export "$name=$(<"${!file}")"
    else
        export "$name=${!name:-${2:-}}"
    fi
    unset "$file"
}

read_environment() {
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER postgres
    from_file POSTGRES_DB "$POSTGRES_USER"
    from_file POSTGRES_INITDB_ARGS
}

only_asks() {
    local word
    for word in "$@"; do
        case $word in
            -'?' | --help | --describe-config | -V | --version) return 0 ;;
        esac
    done
    return 1
}

make_folders() {
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA" || :
    mkdir -p /var/run/postgresql
    chmod 3775 /var/run/postgresql || :
    [ -z "${POSTGRES_INITDB_WALDIR:-}" ] || mkdir -p "$POSTGRES_INITDB_WALDIR"
}

give_folders_to_postgres() {
    find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres '{}' +
    [ -z "${POSTGRES_INITDB_WALDIR:-}" ] \
        || find "$POSTGRES_INITDB_WALDIR" ! -user postgres -exec chown postgres '{}' +
}

require_password() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        cat >&2 <<'TEXT'
Error: Database is uninitialized and superuser password is not specified.
       Set POSTGRES_PASSWORD to a non-empty value, or
       POSTGRES_HOST_AUTH_METHOD=trust to let everyone in without one.
TEXT
        exit 1
    fi
}

# initdb wants the user to have a name: lend it one where the container runs under a bare number.
lend_user_name() {
    getent passwd "$(id -u)" >/dev/null && return
    local library
    for library in /usr/lib/*/libnss_wrapper.so; do
        [ -s "$library" ] || continue
        NSS_WRAPPER_PASSWD=$(mktemp)
        NSS_WRAPPER_GROUP=$(mktemp)
        printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$(id -u)" "$(id -g)" "$PGDATA" \
            >"$NSS_WRAPPER_PASSWD"
        printf 'postgres:x:%s:\n' "$(id -g)" >"$NSS_WRAPPER_GROUP"
        export LD_PRELOAD=$library NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    done
}

take_back_user_name() {
    [ -n "${NSS_WRAPPER_PASSWD:-}" ] || return 0
    rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
    unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
}

make_cluster() {
    local -a words=()
    # Shell-evaluated, as the official image does: quotes in the variable work.
    eval "words=($POSTGRES_INITDB_ARGS)"
    [ -z "${POSTGRES_INITDB_WALDIR:-}" ] || words+=(--waldir "$POSTGRES_INITDB_WALDIR")
    [ -z "$POSTGRES_PASSWORD" ] || words+=(--pwfile=/dev/fd/3)
    lend_user_name
    # A here-string keeps the password out of the process list.
    initdb --username="$POSTGRES_USER" "${words[@]}" 3<<<"$POSTGRES_PASSWORD"
    take_back_user_name
}

allow_everyone_to_try() {
    local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption "$@")}
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

start_temporary_server() {
    [ "${1:-}" != postgres ] || shift
    # Socket only: whoever waits for the port must not meet a server that is about to stop.
    set -- "$@" -c listen_addresses='' -p "${PGPORT:-5432}"
    pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@")" -w start
}

stop_temporary_server() {
    pg_ctl -D "$PGDATA" -m fast -w stop
}

# docker_process_sql ARGS: psql as the superuser on POSTGRES_DB; scripts in initdb.d may call it.
docker_process_sql() {
    local -a query=(psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc)
    [ -z "$POSTGRES_DB" ] || query+=(--dbname "$POSTGRES_DB")
    PGHOST='' PGHOSTADDR='' PGPASSWORD=$POSTGRES_PASSWORD "${query[@]}" "$@"
}

create_database() {
    [ "$POSTGRES_DB" != postgres ] || return 0
    local found
    found=$(POSTGRES_DB='' docker_process_sql --dbname postgres --tuples-only \
        --set db="$POSTGRES_DB" <<<"SELECT 1 FROM pg_database WHERE datname = :'db'")
    [ -n "$found" ] || POSTGRES_DB='' docker_process_sql --dbname postgres \
        --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db"'
}

process_init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        [ -e "$file" ] || continue
        say "$0: processing $file"
        case $file in
            *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
            *.sql) docker_process_sql -f "$file" ;;
            *.sql.gz) gunzip -c "$file" | docker_process_sql ;;
            *.sql.xz) xzcat "$file" | docker_process_sql ;;
            *.sql.zst) zstd -dc "$file" | docker_process_sql ;;
            *) say "$0: ignoring $file" ;;
        esac
    done
}

initialise() {
    require_password
    make_cluster
    allow_everyone_to_try "${@:2}"
    export PGPASSWORD=$POSTGRES_PASSWORD
    start_temporary_server "$@"
    create_database
    process_init_files
    stop_temporary_server
    unset PGPASSWORD
    say
    say 'PostgreSQL init process complete; ready for start up.'
    say
}

main() {
    case ${1:-} in
        -*) set -- postgres "$@" ;;
    esac
    if [ "${1:-}" = postgres ] && ! only_asks "$@"; then
        read_environment
        make_folders
        if [ "$(id -u)" = 0 ]; then
            give_folders_to_postgres
            exec gosu postgres "${BASH_SOURCE[0]}" "$@"
        fi
        if [ -s "$PGDATA/PG_VERSION" ]; then
            say 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
        else
            initialise "$@"
        fi
    fi
    exec "$@"
}

main "$@"
