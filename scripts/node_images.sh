#!/bin/sh
# Builds the images of the pods that a node itself needs, by buildah, as root and without a registry, and writes an archive of each into
# IMAGES_CACHE/node (default: ~/.cache/captions-images/node). Programs that have not changed take seconds.
set -eu
cd "$(dirname "$0")/.."

die() { echo "node_images: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "building images without a daemon needs root: use sudo"
cache=${IMAGES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/captions-images}
mkdir -p "$cache/node"
exec 9>"$cache/lock"
flock 9
export CONTAINERS_STORAGE_CONF="$cache/storage.conf" BUILDAH_ISOLATION=chroot
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s/storage"\nrunroot = "%s/run"\n' "$cache" "$cache" >"$CONTAINERS_STORAGE_CONF"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cp windtunnel/internal/node/images/Dockerfile "$tmp/"
mkdir "$tmp/bin"
build() { # FOLDER PACKAGE
	CGO_ENABLED=0 go build -C "$1" -ldflags '-s -w' -o "$tmp/bin/" "$2" || die "$2 could not be built"
}
build windtunnel ./internal/node/pause
build windtunnel/tools/node github.com/coredns/coredns
build windtunnel/tools/node sigs.k8s.io/metrics-server/cmd/metrics-server
for name in pause coredns metrics-server; do
	echo "node_images: captions-node/$name:dev"
	buildah build --quiet --pull-never -f "$tmp/Dockerfile" --target "$name" -t "captions-node/$name:dev" "$tmp" >/dev/null || die "$name could not be built"
	rm -f "$cache/node/$name.tar"
	buildah push --quiet "localhost/captions-node/$name:dev" "docker-archive:$cache/node/$name.tar:docker.io/captions-node/$name:dev" || die "$name could not be written"
done
