#!/usr/bin/env bash
# Runs a class of this distribution: kafka-run-class.sh CLASS [ARGUMENT…]. Heap, flags of the JVM and the
# logging's configuration are set by the variables that Kafka's own scripts know.
set -euo pipefail
base=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
if [ $# -eq 0 ]; then
    echo "usage: $0 CLASS [ARGUMENT…]" >&2
    exit 64
fi
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
if compgen -G "$base/libs/reload4j-*.jar" >/dev/null; then
    logging="-Dlog4j.configuration=file:$base/config/log4j.properties"
else
    logging="-Dlog4j2.configurationFile=$base/config/log4j2.xml"
fi
classpath=$base/libs/*${CLASSPATH:+:$CLASSPATH}
# Several flags may stand in one variable, as in Kafka's own scripts.
# shellcheck disable=SC2086
exec "$java" ${KAFKA_HEAP_OPTS:--Xmx256M} ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC} \
    ${KAFKA_LOG4J_OPTS:-$logging} ${KAFKA_OPTS:-} -cp "$classpath" "$@"
