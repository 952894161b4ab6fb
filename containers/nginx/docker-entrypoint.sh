#!/bin/sh
# Start nginx to the contract of the official image: before nginx itself, and before nothing else,
# every executable of /docker-entrypoint.d takes its turn, in the order of the names' numbers.
#   *.envsh    is read by this shell, so that what it exports reaches the scripts after it
#   *.sh       is run; one that fails ends the container
# NGINX_ENTRYPOINT_QUIET_LOGS silences what is said of that.
set -e

say() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"; }

take() {
    case $1 in
        *.envsh | *.sh)
            if [ ! -x "$1" ]; then
                say "ignoring $1, not executable"
            elif [ "${1##*.}" = sh ]; then
                say "running $1"
                "$1"
            else
                say "reading $1"
                . "$1"
            fi
            ;;
        *) say "ignoring $1" ;;
    esac
}

configure() {
    # In a subshell, as official: nginx itself sees the environment that the container was given.
    find /docker-entrypoint.d/ -follow -type f | sort -V | while read -r script; do
        take "$script"
    done
    say "configuration complete"
}

case ${1:-} in
    nginx | nginx-debug) configure ;;
esac
exec "$@"
