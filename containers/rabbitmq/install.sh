#!/bin/sh
# Install RabbitMQ $RABBITMQ_VERSION with the users, folders and plugins of the official image.
set -eu
export DEBIAN_FRONTEND=noninteractive

# The ids are those of the official image, so that mounted files belong to the same user.
groupadd --system --gid 999 rabbitmq
useradd --system --gid 999 --uid 999 --home-dir "$RABBITMQ_DATA_DIR" --no-create-home rabbitmq
apt-get update
apt-get install -y ca-certificates rabbitmq-server tzdata

# Debian's commands of these names want to be root or rabbitmq, and hide the server's output in
# files. The release's own are below its folder; plugins are expected at /plugins, too.
ln -s "/usr/lib/rabbitmq/lib/rabbitmq_server-$RABBITMQ_VERSION" "$RABBITMQ_HOME"
[ -x "$RABBITMQ_HOME/sbin/rabbitmq-server" ]
ln -s "$RABBITMQ_HOME/plugins" /plugins

# The package has made a secret: each container is to have its own.
rm -rf "$RABBITMQ_DATA_DIR" /etc/rabbitmq /var/log/rabbitmq
install -d -o rabbitmq -g rabbitmq -m 1777 "$RABBITMQ_DATA_DIR" /etc/rabbitmq \
    /etc/rabbitmq/conf.d /var/log/rabbitmq
ln -sf "$RABBITMQ_DATA_DIR/.erlang.cookie" /root/.erlang.cookie
setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups \
    rabbitmq-plugins enable --offline rabbitmq_prometheus
rm -f "$RABBITMQ_DATA_DIR/.erlang.cookie"
rm -rf /var/lib/apt/lists/*
