#!/bin/bash
# Run the tool whose name this file was called by (see `tools`).
set -eu
name=${0##*/}
while read -r tool class; do
    [ "$tool" != "${name%.sh}" ] || exec /opt/kafka/bin/kafka-run-class.sh "$class" "$@"
done </opt/kafka/bin/tools
echo "$name: no such tool" >&2
exit 64
