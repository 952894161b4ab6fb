#!/bin/bash
# Lay out users, folders, scripts and the class path. Runs once, at build time.
set -euo pipefail

useradd --uid 1000 --user-group --create-home --shell /bin/bash appuser
mkdir -p /opt/kafka/{config,logs,share} /etc/kafka/secrets /var/lib/kafka/data /mnt/shared/config
cp /etc/kafka/docker/{server.properties,log4j2.yaml} /opt/kafka/config/
chmod 0755 /etc/kafka/docker/{run,configure,format,launch} /opt/kafka/bin/*

# One tool script under many names, as a release has one script for each.
while read -r name class; do
    [ -z "$class" ] || ln -s kafka-tool.sh "/opt/kafka/bin/$name.sh"
done </opt/kafka/bin/tools

# A fixed order: the cache of classes is valid for one class path only.
printf '%s:' /opt/kafka/libs/*.jar | sed 's/:$//' >/opt/kafka/share/classpath
chown -R appuser:appuser /opt/kafka/{config,logs,share} /etc/kafka/secrets \
    /var/lib/kafka/data /mnt/shared/config
rm -rf /tmp/hsperfdata_root
