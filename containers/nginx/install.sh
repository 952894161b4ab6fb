#!/bin/sh
# Install nginx $1 with the user and the folders of the official image.
set -eu
export DEBIAN_FRONTEND=noninteractive

# The ids are those of the official image, so that mounted files belong to the same user.
groupadd --system --gid 101 nginx
useradd --system --gid 101 --uid 101 --home-dir /nonexistent --no-create-home \
    --shell /bin/false nginx
apt-get update
apt-get install -y ca-certificates curl gettext-base nginx
nginx -v 2>&1 | grep -q "nginx/$1\$"

# Debian's own arrangement of sites is replaced.
rm -rf /etc/nginx/sites-* /etc/nginx/modules-* /etc/nginx/snippets /var/www /var/lib/nginx
mkdir -p /etc/nginx/conf.d /var/cache/nginx
ln -s /var/cache/nginx /var/lib/nginx # the binary's place for temporary files
ln -sf /usr/lib/nginx/modules /etc/nginx/modules
ln -sf /dev/stdout /var/log/nginx/access.log
ln -sf /dev/stderr /var/log/nginx/error.log
printf '<!DOCTYPE html>\n<title>Error</title>\n<h1>An error occurred.</h1>\n' \
    > /usr/share/nginx/html/50x.html
rm -rf /var/lib/apt/lists/*
