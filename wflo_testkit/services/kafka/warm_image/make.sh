# Format the storage, and let Java write an archive of the classes that a broker loads.
# What comes before this text exports the variables of the official image.
set -eu
warm=/tmp/wflo-warm
mkdir -p $warm/bin
image_path=$PATH

# The archive suits one Java, one class path and one set of flags: those of the very command by
# which the image itself starts the broker.
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
WFLO_JAVA=$(command -v "$java")
export WFLO_JAVA
cp /tmp/wflo-stand-in.sh $warm/bin/java
chmod 0755 $warm/bin/java
(
    export PATH="$warm/bin:$image_path" JAVA_HOME=$warm
    exec /etc/kafka/docker/run KAFKA_ADVERTISED_LISTENERS="$1"
)
cp /tmp/wflo-serve.sh $warm/serve.sh
cp /tmp/wflo-assemble.sh $warm/assemble.sh
setting() { sed -n "s/^$1=//p" $warm/formatted.properties | tail -n 1; }
storage=$(setting log.dirs)
[ -n "$storage" ] || storage=$(setting log.dir)
echo "${storage:=/tmp/kafka-logs}" >$warm/storage
[ -s "$storage/meta.properties" ]
cp -a "$storage" $warm/formatted

# From 25 on Java writes an AOT cache at its end (JEP 514), before that a CDS archive (JEP 350).
version=$("$WFLO_JAVA" -version 2>&1 | sed -n '1s/[^"]*"\([0-9]*\).*/\1/p')
if [ "$version" -ge 25 ]; then
    archive=-XX:AOTCacheOutput=$warm/classes
    echo "-XX:AOTCache=$warm/classes -XX:AOTMode=on" >$warm/insisting
    echo "-XX:AOTCache=$warm/classes" >$warm/archive
else
    archive=-XX:ArchiveClassesAtExit=$warm/classes
    echo "-XX:SharedArchiveFile=$warm/classes -Xshare:on" >$warm/insisting
    echo "-XX:SharedArchiveFile=$warm/classes" >$warm/archive
fi
(
    set -- $warm/formatted.properties
    . $warm/java.sh
) >/tmp/wflo-broker.log 2>&1 &
broker=$!

# Only the port tells that the broker answers: its log may be silenced.
give_up() {
    echo "$1; the end of its log:" >&2
    tail -n 20 /tmp/wflo-broker.log >&2
    exit 1
}
deadline=$(($(date +%s) + 300))
until bash -c ': </dev/tcp/127.0.0.1/9092' 2>/dev/null; do
    kill -0 $broker || give_up 'the broker ended before its port answered'
    [ "$(date +%s)" -lt $deadline ] || give_up 'the port of the broker did not answer in 300 s'
    sleep 0.1
done

# What tests do: topics, transactions, groups.
unset KAFKA_OPTS KAFKA_JMX_OPTS JMX_PORT
tool() {
    name=$1
    shift
    /opt/kafka/bin/"$name".sh --bootstrap-server localhost:9092 "$@"
}
tool kafka-topics --create --topic warm --partitions 2
tool kafka-producer-perf-test --topic warm --num-records 2000 --record-size 100 --throughput -1 \
    --transactional-id warm --transaction-duration-ms 200
tool kafka-console-consumer --topic warm --group warm --from-beginning --max-messages 1000 \
    >/dev/null
tool kafka-topics --delete --topic warm
kill -TERM $broker
wait $broker || [ $? = 143 ]
[ -s $warm/classes ]

rm -rf "$storage" /tmp/wflo-broker.log
mv $warm/formatted "$storage"
