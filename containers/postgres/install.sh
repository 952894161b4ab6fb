#!/bin/sh
# Install PostgreSQL $PG_MAJOR with the users, folders and locale of the official image, whose
# volume is $VOLUME.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# The ids are those of the official image, so that mounted files belong to the same user.
groupadd --system --gid 999 postgres
useradd --system --gid 999 --uid 999 --home-dir /var/lib/postgresql --shell /bin/bash postgres
install -d -o postgres -g postgres -m 0755 /var/lib/postgresql

apt-get update
apt-get install -y gosu libnss-wrapper locales postgresql-common xz-utils zstd
# The entrypoint makes the cluster: the package must not.
sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' \
    /etc/postgresql-common/createcluster.conf
apt-get install -y "postgresql-$PG_MAJOR"

# Without a UTF-8 locale initdb makes SQL_ASCII databases, whose text drivers return as bytes.
localedef -i en_US -c -f UTF-8 en_US.UTF-8

sample=/usr/share/postgresql/postgresql.conf.sample
mv "/usr/share/postgresql/$PG_MAJOR/postgresql.conf.sample" "$sample"
sed -i "s/^#\?listen_addresses *=.*/listen_addresses = '*'/" "$sample"
grep -q "^listen_addresses = '\*'" "$sample"
ln -s ../postgresql.conf.sample "/usr/share/postgresql/$PG_MAJOR/"

install -d /docker-entrypoint-initdb.d
install -d -o postgres -g postgres -m 3777 /var/run/postgresql
install -d -o postgres -g postgres -m 1777 "$VOLUME"
rm -rf /var/lib/apt/lists/* /var/log/postgresql /etc/postgresql
