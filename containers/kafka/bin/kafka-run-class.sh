#!/bin/bash
# kafka-run-class.sh CLASS ARGS: run a class with the jars of this image.
# KAFKA_HEAP_OPTS, KAFKA_OPTS, KAFKA_JVM_PERFORMANCE_OPTS and KAFKA_LOG4J_OPTS are passed to Java.
set -eu
: "${KAFKA_JVM_PERFORMANCE_OPTS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC}"
: "${KAFKA_LOG4J_OPTS=-Dorg.apache.logging.log4j.level=WARN}"
jars=$(</opt/kafka/share/classpath)
# Unquoted on purpose: each variable holds several words.
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:--Xmx256m} $KAFKA_JVM_PERFORMANCE_OPTS $KAFKA_LOG4J_OPTS ${KAFKA_OPTS:-} \
    -cp "$jars${CLASSPATH:+:$CLASSPATH}" "$@"
