#!/usr/bin/env bash
# Starts a broker in the foreground: kafka-server-start.sh SERVER.PROPERTIES
if [ $# -lt 1 ]; then
    echo "usage: $0 SERVER.PROPERTIES [--override NAME=VALUE]…" >&2
    exit 64
fi
exec "$(dirname "$(readlink -f "$0")")/kafka-run-class.sh" kafka.Kafka "$@"
