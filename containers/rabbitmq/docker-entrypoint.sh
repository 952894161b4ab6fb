#!/bin/bash
# Start RabbitMQ to the contract of the official image:
#   rabbitmq* as root     becomes rabbitmq; the server's data folder is rabbitmq's first
#   RABBITMQ_DEFAULT_*    (USER, PASS, VHOST) and RABBITMQ_ERLANG_COOKIE the server reads itself
#   removed variables     refused, as a server that ignored them would not be what was asked for
#   a host name with dots makes the node's name a long one
set -euo pipefail

if [[ ${1:-} == rabbitmq* && $(id -u) == 0 ]]; then
    [ "$1" != rabbitmq-server ] \
        || find "$RABBITMQ_DATA_DIR" ! -user rabbitmq -exec chown rabbitmq '{}' +
    exec setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups -- "$0" "$@"
fi

removed=(
    RABBITMQ_DEFAULT_{PASS,USER}_FILE
    RABBITMQ{,_MANAGEMENT}_SSL_{CACERTFILE,CERTFILE,DEPTH,FAIL_IF_NO_PEER_CERT,KEYFILE,VERIFY}
    RABBITMQ_VM_MEMORY_HIGH_WATERMARK
)
for name in "${removed[@]}"; do
    if [ -n "${!name:-}" ]; then
        echo "error: $name is set but deprecated: use a configuration file instead" >&2
        exit 1
    fi
done

if [[ -z ${RABBITMQ_USE_LONGNAME:-} && $(hostname) != $(hostname -s) ]]; then
    export RABBITMQ_USE_LONGNAME=true
fi

# The start script then execs Erlang, which handles signals as process 1.
export RUNNING_UNDER_SYSTEMD=true
exec "$@"
