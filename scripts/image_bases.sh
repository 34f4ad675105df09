# shellcheck shell=sh
# Lets images be built without a Docker daemon and without a registry, by buildah as root; sourced by the scripts that do so, after
# they have set $tmp, a temporary folder, and $TAG, and have defined die and say.
#
# bases makes the base images: Debian by debootstrap, Go's from that with the toolchain of this machine, and a stand-in for
# distroless of certificates and nothing else. What was built is kept in IMAGES_CACHE (default: ~/.cache/captions-images) for
# the next time.

[ "$(id -u)" = 0 ] || die "building images without a daemon needs root: use sudo"
suite=bookworm
cache=${IMAGES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/captions-images}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

# Storage of its own: whoever has images of their own keeps them apart.
export CONTAINERS_STORAGE_CONF="$cache/storage.conf" BUILDAH_ISOLATION=chroot IMAGE_TOOL=buildah TAG
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s/storage"\nrunroot = "%s/run"\n' "$cache" "$cache" >"$CONTAINERS_STORAGE_CONF"

: "${tmp:?}"
trap 'rm -rf "$tmp"; buildah rm --all >/dev/null 2>&1' EXIT

known() { buildah inspect --type image "$1" >/dev/null 2>&1; }
base() { echo "localhost/captions-base/$1"; }

bases() {
	wanted=$(sed -n 's/^ARG GO_IMAGE=.*:\([0-9.]*\)-.*/\1/p' deploy/images/Dockerfile)
	[ "$wanted" = "$(sed -n 's/^go //p' go.mod)" ] || die "the Dockerfile takes Go $wanted, but go.mod names another version"

	if ! known "$(base "debian:$suite")"; then
		say "Debian $suite by debootstrap"
		debootstrap --variant=minbase --include=ca-certificates "$suite" "$tmp/debian" http://deb.debian.org/debian >"$tmp/log" 2>&1 ||
			{ tail "$tmp/log" >&2; die "debootstrap failed"; }
		rm -rf "$tmp/debian/var/cache/apt" "$tmp/debian/var/lib/apt/lists"
		container=$(buildah from scratch)
		buildah add --quiet "$container" "$tmp/debian" / >/dev/null
		buildah commit --quiet --rm "$container" "$(base "debian:$suite")" >/dev/null
		rm -rf "$tmp/debian"
	fi
	if ! known "$(base go)"; then
		container=$(buildah from --pull-never "$(base "debian:$suite")")
		buildah config --env PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
		buildah commit --quiet --rm "$container" "$(base go)" >/dev/null
	fi
	if ! known "$(base static)"; then
		mkdir -p "$tmp/static/etc/ssl/certs"
		cp /etc/ssl/certs/ca-certificates.crt "$tmp/static/etc/ssl/certs/"
		echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >"$tmp/static/etc/passwd"
		container=$(buildah from scratch)
		buildah add --quiet "$container" "$tmp/static" / >/dev/null
		buildah commit --quiet --rm "$container" "$(base static)" >/dev/null
	fi

	# Go itself, its modules and what it has compiled are those of this machine, mounted.
	go list -deps ./cmd/... >/dev/null
	modules=$(go env GOMODCACHE) objects=$(go env GOCACHE)
	BUILD_FLAGS="--pull-never --volume $modules:$modules --volume $objects:$objects
		--build-arg GOMODCACHE=$modules --build-arg GOCACHE=$objects --volume $(go env GOROOT):/usr/local/go --build-arg GO_IMAGE=$(base go)
		--build-arg STATIC_IMAGE=$(base static) --build-arg DEBIAN_IMAGE=$(base "debian:$suite")"
	export BUILD_FLAGS
}
