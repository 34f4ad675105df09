# shellcheck shell=sh
# Sets $tool to what builds and pushes images here; sourced by the scripts that do so. A docker without its daemon is none.

usable() {
	command -v "$1" >/dev/null 2>&1 || return 1
	case $1 in
	docker) timeout 20 docker info >/dev/null 2>&1 ;;
	esac
}

tool=${IMAGE_TOOL:-}
if [ -n "$tool" ]; then
	usable "$tool" || { echo "images: IMAGE_TOOL=$tool cannot be used here: it is not installed, or its daemon does not answer" >&2; exit 1; }
else
	for t in docker podman buildah; do
		if usable "$t"; then
			tool=$t
			break
		fi
	done
	[ -n "$tool" ] || {
		echo "images: none of docker (with its daemon running), podman and buildah is here. Install one; on Debian: apt install buildah" >&2
		exit 1
	}
fi
