#!/bin/bash
# Run a broker once with typical traffic, so that the JVM can write its cache of classes, and keep
# the storage tool's bootstrap checkpoint. Runs once, at build time, as the broker's user.
set -euo pipefail
share=/opt/kafka/share
tool() { /opt/kafka/bin/"$1".sh "${@:2}"; }
broker=(--bootstrap-server localhost:9092)

# What `kafka-storage format` writes does not depend on the cluster's id: see docker/format.
KAFKA_LOG_DIRS=$(mktemp -d)
sed "s|^log.dirs=.*|log.dirs=$KAFKA_LOG_DIRS|" /etc/kafka/docker/server.properties >/tmp/train.properties
tool kafka-storage format -c /tmp/train.properties -t AAAAAAAAAAAAAAAAAAAAAA
cp "$KAFKA_LOG_DIRS/bootstrap.checkpoint" "$share/"
rm -rf "$KAFKA_LOG_DIRS" /tmp/train.properties
unset KAFKA_LOG_DIRS

KAFKA_OPTS=-XX:AOTCacheOutput=$share/kafka.aot /etc/kafka/docker/run >/tmp/train.log 2>&1 &
pid=$!
trap '[ $? = 0 ] || tail -n 50 /tmp/train.log' EXIT
deadline=$((SECONDS + 60))
until grep -q 'Kafka Server started' /tmp/train.log; do
    kill -0 $pid || exit 1
    [ $SECONDS -lt $deadline ] || exit 1
    sleep 0.1
done

tool kafka-topics "${broker[@]}" --create --topic train --partitions 2
tool kafka-producer-perf-test "${broker[@]}" --topic train --num-records 2000 --record-size 100 \
    --throughput -1 --transactional-id train --transaction-duration-ms 200
tool kafka-console-consumer "${broker[@]}" --topic train --group train --from-beginning \
    --max-messages 1000 >/dev/null
tool kafka-consumer-groups "${broker[@]}" --describe --group train
tool kafka-configs "${broker[@]}" --describe --all --entity-type brokers --entity-name 1 >/dev/null
tool kafka-topics "${broker[@]}" --delete --topic train

kill -TERM $pid
wait $pid || [ $? = 143 ]
[ -s "$share/kafka.aot" ]
rm -rf /tmp/kraft-combined-logs /tmp/train.log "/tmp/hsperfdata_$(id -un)"
