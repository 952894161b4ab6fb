#!/bin/sh
# Start Redis to the contract of the official image:
#   -x or a *.conf first     redis-server is put before it
#   as root                  become redis:redis, own the working directory
#                            (SKIP_DROP_PRIVS, SKIP_FIX_PERMS turn that off)
#   protected mode           off unless the command or its configuration file says otherwise:
#                            Debian's binary has it on and would refuse everyone but loopback
set -e

may_drop_root() {
    [ "$(id -u)" = 0 ] && [ -z "$SKIP_DROP_PRIVS" ] || return 1
    caps=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
    # Bits 6 and 7: CAP_SETGID and CAP_SETUID (capability.h).
    [ $((0x$caps & 0xc0)) = 192 ]
}

fix_ownership() {
    [ -z "$SKIP_FIX_PERMS" ] || return 0
    find . ! -user redis -exec chown redis:redis '{}' +
}

says_protected_mode() {
    for word in "$@"; do
        case $word in
            --protected-mode | --protected-mode\ *) return 0 ;;
            *.conf) ! grep -qs '^[[:space:]]*protected-mode' "$word" || return 0 ;;
        esac
    done
    return 1
}

only_asks() {
    case ${2:-} in
        -h | --help | -v | --version | --test-memory | --check-system | -) return 0 ;;
    esac
    return 1
}

case ${1:-} in
    -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1##*/}" = redis-server ] && ! only_asks "$@" && ! says_protected_mode "$@"; then
    set -- "$@" --protected-mode no
fi

# What Redis writes is nobody else's business, unless the caller chose another mask.
[ "$(umask)" != 0022 ] || umask 0077

case ${1##*/} in
    redis-server | redis-sentinel)
        if may_drop_root; then
            fix_ownership
            exec setpriv --reuid=redis --regid=redis --clear-groups -- "$@"
        fi
        ;;
esac
exec "$@"
