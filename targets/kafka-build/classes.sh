#!/usr/bin/env bash
# Archives the classes that a broker loads: starts one of the distribution FOLDER on a free port of the
# loopback, waits until it serves, and stops it; the JVM then writes FOLDER/classes.jsa.
#
#   targets/kafka-build/classes.sh FOLDER SECONDS
set -euo pipefail

folder=$1
limit_s=$2
work=$(mktemp -d)
broker=
finish() {
    [[ -z $broker ]] || kill -9 "$broker" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

free() { # a port on which nobody listens; never one of those that are given to whoever connects
    local port
    while port=$((20000 + RANDOM % 10000)) && (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}
clients=$(free)
controllers=$(free)
cat >"$work/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controllers
listeners=PLAINTEXT://127.0.0.1:$clients,CONTROLLER://127.0.0.1:$controllers
controller.listener.names=CONTROLLER
log.dirs=$work/data
log.cleaner.dedupe.buffer.size=8388608
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
END
class="$folder/bin/kafka-run-class.sh"
export KAFKA_HEAP_OPTS="-Xmx256M -XX:TieredStopAtLevel=1"
timeout "$limit_s" "$class" kafka.tools.StorageTool format -t "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')" \
    -c "$work/server.properties" >"$work/log" 2>&1
KAFKA_OPTS="-XX:ArchiveClassesAtExit=$folder/classes.new" \
    "$class" kafka.Kafka "$work/server.properties" >>"$work/log" 2>&1 &
broker=$!
deadline=$((SECONDS + limit_s))
until grep -q "Kafka Server started" "$work/log"; do
    if ! kill -0 "$broker" 2>/dev/null || ((SECONDS > deadline)); then
        tail -3 "$work/log" >&2
        exit 1
    fi
    sleep 0.1
done
# A topic is made, written and read, so that what serves clients is archived, too.
bootstrap=(--bootstrap-server "127.0.0.1:$clients")
timeout "$limit_s" "$folder/bin/kafka-topics.sh" "${bootstrap[@]}" --create --topic classes >/dev/null 2>&1
timeout "$limit_s" "$folder/bin/kafka-producer-perf-test.sh" --topic classes --num-records 1000 --record-size 100 \
    --throughput -1 --producer-props "bootstrap.servers=127.0.0.1:$clients" >/dev/null 2>&1
kill "$broker"
for ((tenth = 0; tenth < 10 * limit_s; tenth++)); do
    kill -0 "$broker" 2>/dev/null || break
    sleep 0.1
done
mv "$folder/classes.new" "$folder/classes.jsa"
