#!/usr/bin/env bash
# Assembles a distribution of Apache Kafka, unmodified, from a Maven repository, for plans that say
# `target: { kafka: { version: … } }`:
#
#   targets/kafka-build/assemble.sh 4.1.0
#
# Apache's own archives are not everywhere to be had; the jars of which they are made are. The result
# goes to $XDG_CACHE_HOME/schism/kafka/VERSION (by default under ~/.cache), where the target looks for
# it: libs/ with the broker, its tools and what they need at run time; bin/ with start scripts, so that
# it is used as any other Kafka; config/ with logging to standard output; and an archive of loaded
# classes, with which a broker starts in half the time. Beside it stands the agent that serves the
# metrics of every broker, also of those from other distributions. What is there already is kept.
set -euo pipefail

# So long may the download take, in seconds; and the broker that is started once for its classes.
LIMIT_S=600
BROKER_S=60
PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
AGENT=1.0.1
LOG4J=2.24.3

version=${1:-}
if [[ ! $version =~ ^(3\.9|[4-9]\.[0-9]+)\.[0-9]+$ ]]; then
    echo "usage: make kafka VERSION=4.1.0 (3.9 or later)" >&2
    exit 64
fi
for program in "mvn maven" "java default-jre-headless"; do
    read -r name package <<<"$program"
    command -v "$name" >/dev/null || {
        echo "kafka $version is assembled with $name, and there is none: apt-get install $package" >&2
        exit 3
    }
done

here=$(cd "$(dirname "$0")" && pwd)
kept=${XDG_CACHE_HOME:-$HOME/.cache}/schism/kafka
agent=$kept/agent/jmx_prometheus_javaagent.jar
if [[ -e $kept/$version/content && -e $agent ]]; then
    echo "$kept/$version is there already"
    exit 0
fi

# Beside its place, so that it can be renamed there as a whole.
mkdir -p "$kept/agent"
work=$(mktemp -d "$kept/new-XXXXXX")
broker=
finish() {
    [[ -z $broker ]] || kill -9 "$broker" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

dependency() { # group, artifact, version
    echo "<dependency><groupId>$1</groupId><artifactId>$2</artifactId><version>$3</version></dependency>"
}
{
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>schism</groupId><artifactId>kafka</artifactId><version>1</version>'
    echo '<packaging>pom</packaging><dependencies>'
    dependency org.apache.kafka kafka_2.13 "$version"
    dependency org.apache.kafka kafka-tools "$version"
    # 3.9 logs by reload4j, which it brings; what 4.x logs by is no dependency of it, and stands in
    # Apache's archives all the same.
    if [[ $version != 3.* ]]; then
        dependency org.apache.logging.log4j log4j-slf4j-impl "$LOG4J"
        dependency org.apache.logging.log4j log4j-1.2-api "$LOG4J"
    fi
    dependency io.prometheus.jmx jmx_prometheus_javaagent "$AGENT"
    echo '</dependencies></project>'
} >"$work/pom.xml"
new=$work/kafka
mkdir -p "$new/libs"
timeout "$LIMIT_S" mvn -q -B -f "$work/pom.xml" "$PLUGIN:copy-dependencies" \
    -DoutputDirectory="$new/libs" -DincludeScope=runtime >"$work/mvn.log" 2>&1 || {
    grep -m 5 -E 'ERROR|Unknown host|timed out' "$work/mvn.log" >&2 || tail -5 "$work/mvn.log" >&2
    echo "kafka $version could not be had from the Maven repository that mvn is configured for;" >&2
    echo "releases are listed at https://kafka.apache.org/downloads; a plan can name one of Apache's" >&2
    echo "archives instead: target: { kafka: { archive: …, sha256: … } }" >&2
    exit 3
}
mv "$new/libs/jmx_prometheus_javaagent-$AGENT.jar" "$work/agent.jar"
# So that a broker that runs from it keeps what it has open.
mv "$work/agent.jar" "$agent"

cp -r "$here/bin" "$here/config" "$new/"
chmod 755 "$new/bin"/*.sh
if [[ -e $kept/$version/content ]]; then
    echo "$kept/$version is there already"
    exit 0
fi
# What it is made of: nodes that have the same need not be brought another.
(cd "$new/libs" && sha256sum -- *) | sha256sum | cut -d' ' -f1 >"$new/content"
# A broken attempt of before is in the way of the renaming.
rm -rf "${kept:?}/$version"
mv "$new" "$kept/$version"
new=$kept/$version

# The classes are archived where they stay: the archive is good for those paths alone. It is a matter
# of speed only, so that a failure is told and nothing else.
"$here/classes.sh" "$new" "$BROKER_S" || echo "no archive of classes was made; brokers start slower" >&2
echo "$new"
