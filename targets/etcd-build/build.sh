#!/usr/bin/env bash
# Builds a release of etcd, unmodified, from the Go module proxy, for plans that say
# `target: { etcd: { version: … } }`:
#
#   targets/etcd-build/build.sh 3.6.9
#
# A module of our own, made for the moment, requires the release and builds its `main` package. The
# result goes to $XDG_CACHE_HOME/schism/etcd/VERSION/etcd (by default under ~/.cache), where the target
# looks for it. What is there already is kept.
set -euo pipefail

# So long may a download or the build take, in seconds.
LIMIT_S=900

version=${1:-}
version=${version#v}
if [[ ! $version =~ ^3\.[0-9]+\.[0-9]+(-[0-9a-z.]+)?$ ]]; then
    echo "usage: make etcd VERSION=3.6.9" >&2
    exit 64
fi
if [[ $version == 3.[0-4].* ]]; then
    # Before 3.5 the module was called go.etcd.io/etcd, and its tags are no versions of that name.
    echo "etcd $version is no version of a Go module (the first is 3.5.0): use a package or a" >&2
    echo "release of it, and name the program in the plan: target: { etcd: { binary: /path } }" >&2
    exit 64
fi
command -v go >/dev/null || {
    echo "etcd $version is built with Go, and there is none: apt-get install golang" >&2
    exit 3
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/schism/etcd/$version
if [[ -x $cache/etcd ]]; then
    echo "$cache/etcd is there already"
    exit 0
fi

module=go.etcd.io/etcd/server/v3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
go mod init schism-etcd >/dev/null 2>&1
timeout "$LIMIT_S" go get "$module@v$version" >get.log 2>&1 || {
    tail -3 get.log >&2
    echo "the module proxy has no etcd $version; it has:" >&2
    timeout 60 go list -m -versions "$module" >&2 || true
    exit 3
}
# The release's number is in its source; where its commit would stand, the module's checksum says
# what it was made of.
sum=$(awk -v module="$module" -v version="v$version" '$1 == module && $2 == version { print $3 }' go.sum)
CGO_ENABLED=0 timeout "$LIMIT_S" go build -mod=mod -trimpath -o etcd \
    -ldflags "-s -w -X go.etcd.io/etcd/api/v3/version.GitSHA=$sum" "$module"
./etcd --version | head -1 | grep -qF "$version" || {
    echo "what was built says that it is another version:" >&2
    ./etcd --version >&2
    exit 3
}
mkdir -p "$cache"
mv etcd "$cache/etcd.new"
mv "$cache/etcd.new" "$cache/etcd"
echo "$cache/etcd"
"$cache/etcd" --version
