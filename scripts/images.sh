#!/bin/sh
# Builds the container images with docker, podman or buildah, whichever is there: captions/NAME:TAG for each of the NAMEs, or for all.
#   scripts/images.sh [NAME...]
# TAG (default: dev) and VERSION (default: git's) name what is built; IMAGE_TOOL chooses the tool; BUILD_FLAGS are passed on to it, such as
#   BUILD_FLAGS='--platform linux/arm64' or BUILD_FLAGS='--build-arg GO_IMAGE=registry.example.org/golang:1.26.8'.
set -eu
cd "$(dirname "$0")/.."

tag=${TAG:-dev}
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo development)}
[ $# -gt 0 ] || set -- auth-service gateway-service upload-service caption-service caption-worker frontend captions

# shellcheck source=scripts/image_tool.sh
. scripts/image_tool.sh

layers=
[ "$tool" != buildah ] || layers=--layers
for name in "$@"; do
	if ! grep -q " AS $name\$" deploy/images/Dockerfile; then
		echo "images: there is no image $name in deploy/images/Dockerfile" >&2
		exit 2
	fi
	echo "images: captions/$name:$tag, with $tool"
	# The words of $layers and $BUILD_FLAGS are meant to be split.
	# shellcheck disable=SC2086
	"$tool" build $layers ${BUILD_FLAGS:-} --build-arg VERSION="$version" -f deploy/images/Dockerfile --target "$name" -t "captions/$name:$tag" . ||
		{ echo "images: captions/$name:$tag could not be built; what is above says why" >&2; exit 1; }
done
