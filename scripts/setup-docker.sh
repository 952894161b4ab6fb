#!/bin/bash
# See that a Docker daemon answers. Where none does, root on Debian or Ubuntu gets Docker Engine
# from the distribution's packages, started; WFLO_SETUP_DOCKER=0 forbids that.
set -euo pipefail

log=${WFLO_DOCKERD_LOG:-/var/log/dockerd.log}

say() { echo "setup: $*"; }

answers() {
    if command -v docker >/dev/null; then
        docker version --format '{{.Server.Version}}' >/dev/null 2>&1
    else
        .venv/bin/python -c 'import docker; docker.from_env().ping()' >/dev/null 2>&1
    fi
}

give_up() {
    {
        say "no Docker daemon answers at ${DOCKER_HOST:-the default socket}${1:+: $1}"
        say 'to fix: install Docker Engine (Debian, Ubuntu: apt-get install docker.io; others: Docker'
        say '        Engine, Docker Desktop or Podman with its Docker socket), start it, and let this'
        say '        user use it (group docker), or set DOCKER_HOST to a daemon elsewhere'
    } >&2
    exit 1
}

is_debian() { grep -qsE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release; }

install_engine() {
    local packages=(docker.io) quiet=(apt-get -qq -o DPkg::Lock::Timeout=300)
    export DEBIAN_FRONTEND=noninteractive
    say "installing Docker Engine (docker.io) from the distribution's packages"
    dpkg --configure -a >/dev/null # a killed installation must be completed first
    "${quiet[@]}" update
    # Newer releases package the client on its own.
    ! apt-cache show docker-cli >/dev/null 2>&1 || packages+=(docker-cli)
    "${quiet[@]}" install -y --no-install-recommends "${packages[@]}" >/dev/null
}

# A daemon that was killed leaves its process id; another process may have that id by now.
remove_stale_pid() {
    local file=/var/run/docker.pid pid
    [ -f $file ] || return 0
    pid=$(<$file)
    grep -qs dockerd "/proc/$pid/comm" || rm -f $file
}

wait_for() {
    local pid=$1 deadline=$((SECONDS + 60))
    until answers; do
        kill -0 "$pid" 2>/dev/null || return 1
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.2
    done
}

run_daemon() {
    remove_stale_pid
    # Descriptor 9 is the set-up's lock: the daemon would hold it for ever.
    setsid dockerd "$@" >"$log" 2>&1 </dev/null 9>&- &
    wait_for $!
}

start_daemon() {
    say 'starting the Docker daemon'
    if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
        systemctl start docker && wait_for $$ && return
        give_up 'systemctl start docker failed'
    fi
    run_daemon && return
    # File systems that cannot carry overlays (a container's own, for one).
    if grep -qE 'graphdriver|overlay' "$log"; then
        say 'no overlay file system here: using the slower driver vfs'
        run_daemon --storage-driver=vfs && return
    fi
    tail -n 15 "$log" >&2
    give_up "dockerd did not start, see $log"
}

! answers || exit 0
[ "${WFLO_SETUP_DOCKER:-1}" != 0 ] || give_up 'WFLO_SETUP_DOCKER=0 forbids installing or starting one'
[ -z "${DOCKER_HOST:-}" ] || give_up
[ "$(id -u)" = 0 ] || give_up 'only root could install or start one'
if ! command -v dockerd >/dev/null; then
    is_debian || give_up
    install_engine
fi
answers || start_daemon
