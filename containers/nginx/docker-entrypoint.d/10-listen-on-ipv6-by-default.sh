#!/bin/sh
# Let the default server listen on IPv6, too, where the container has that and nobody has changed
# or forbidden to change the file. Docker's own names for loopback lead to ::1 as well.
set -eu
file=/etc/nginx/conf.d/default.conf

[ -f /proc/net/if_inet6 ] || exit 0
cmp -s "$file" /usr/share/nginx/default.conf && [ -w "$file" ] || exit 0
sed -i 's/^    listen 80;$/&\n    listen [::]:80;/' "$file" || true
