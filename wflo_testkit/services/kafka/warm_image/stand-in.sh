#!/bin/sh
# Stands in for Java while the image's own start-up runs: notes how the broker would be run, as a
# script, instead of running it. Tools run as ever.
warm=/tmp/wflo-warm
is_broker=
for word; do
    [ "$word" != kafka.Kafka ] || is_broker=yes
    last=$word
done
[ -n "$is_broker" ] || exec "$WFLO_JAVA" "$@"

quoted() { printf "'%s' " "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }
{
    printf 'cd '
    quoted "$PWD"
    printf '\nexec '
    quoted "$WFLO_JAVA"
    for word; do
        case $word in
            -XX:SharedArchiveFile=* | -XX:AOT* | -Xshare:*) ;; # the image's own archive
            kafka.Kafka) printf '$archive kafka.Kafka "$@"\n' ;;
            "$last") ;; # the file with the settings
            *) quoted "$word" ;;
        esac
    done
} >$warm/java.sh
cp "$last" $warm/formatted.properties
