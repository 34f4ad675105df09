#!/bin/sh
# Builds the images of a cluster without a registry (make cluster), by buildah, as root and without a Docker daemon, and writes an archive of
# each below IMAGES_CACHE (default: ~/.cache/captions-images). What has not changed is not written again.
#   scripts/node_images.sh node       the node's own pods, into IMAGES_CACHE/node
#   scripts/node_images.sh platform   the six services and the servers of overlays/node, into IMAGES_CACHE/platform
set -eu
cd "$(dirname "$0")/.."

die() { echo "node_images: $*" >&2; exit 1; }
say() { echo "node_images: $*"; }

what=${1:-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
TAG="dev"
# shellcheck source=scripts/image_bases.sh
. scripts/image_bases.sh

build() { # FOLDER PACKAGE
	CGO_ENABLED=0 go build -C "$1" -ldflags '-s -w' -o "$tmp/bin/" "$2" || die "$2 could not be built"
}
# image NAME [FLAGS…]: a target of the Dockerfile in $tmp. What is equal must look equal to what was built before.
image() {
	name=$1
	shift
	find "$tmp" -exec touch -h -d @0 {} +
	say "captions-node/$name:$TAG"
	buildah build --quiet --layers --pull-never "$@" -f "$tmp/Dockerfile" --target "$name" -t "captions-node/$name:$TAG" "$tmp" >/dev/null ||
		die "captions-node/$name:$TAG could not be built"
	archive "captions-node/$name"
}
# archive NAME writes an image, unless that has been done.
archive() {
	file="$cache/$what/${1##*/}.tar"
	id=$(buildah inspect --type image --format '{{.FromImageID}}' "localhost/$1:$TAG")
	[ ! -f "$file" ] || [ "$(cat "$file.id" 2>/dev/null)" != "$id" ] || return 0
	rm -f "$file" "$file.id" "$file.new"
	buildah push --quiet "localhost/$1:$TAG" "docker-archive:$file.new:docker.io/$1:$TAG" || die "$1 could not be written"
	mv "$file.new" "$file"
	echo "$id" >"$file.id"
}

mkdir -p "$tmp/bin" "$cache/$what"
case $what in
node)
	cp windtunnel/internal/node/images/Dockerfile "$tmp/"
	build windtunnel ./internal/node/pause
	build windtunnel/tools/node github.com/coredns/coredns
	build windtunnel/tools/node sigs.k8s.io/metrics-server/cmd/metrics-server
	for name in pause coredns metrics-server; do image $name; done
	;;
platform)
	bases
	services="auth-service gateway-service upload-service caption-service caption-worker frontend"
	# shellcheck disable=SC2086 # The words are meant to be split.
	scripts/images.sh $services
	for name in $services; do archive "captions/$name"; done
	cp deploy/overlays/node/images/* "$tmp/"
	build internal/testservers/ferretdb .
	build . ./internal/testservers/versitygw
	for name in mongodb minio redis rabbitmq postgresql; do
		image $name --build-arg DEBIAN_IMAGE="$(base "debian:$suite")"
	done
	;;
*) die "say which: node or platform" ;;
esac
# What earlier versions have left.
buildah rmi --prune >/dev/null 2>&1 || true
say "the archives are in $cache/$what"
