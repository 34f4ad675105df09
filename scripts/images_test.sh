#!/bin/sh
# Builds all images without a Docker daemon and without a registry, by buildah as root, and looks into each: who runs it, what can be
# executed in it, whether its program starts on a root file system that cannot be written, how large it is; and the worker's
# image transcribes a file. make test-images runs it.
#
# The base images are stand-ins (image_bases.sh). So this shows that the Dockerfile builds, that what it puts on top of its
# bases is right, and that the programs need nothing of a base without libraries or shell. What the real bases contain it
# does not show.
set -eu
cd "$(dirname "$0")/.."

die() { echo "images_test: $*" >&2; exit 1; }
say() { echo "images_test: $*"; }

services="auth-service gateway-service upload-service caption-service frontend"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
TAG="test"
# shellcheck source=scripts/image_bases.sh
. scripts/image_bases.sh
bases
began=$(date +%s)
# shellcheck disable=SC2086 # The words of $services are meant to be split.
scripts/images.sh $services caption-worker captions
say "built in $(($(date +%s) - began)) s"

failed=
fail() { echo "images_test: FAILED: $*" >&2; failed=yes; }

# become ROOT USER COMMAND... turns this shell into a command in an image whose root file system cannot be written, as Kubernetes
# will; inside runs one. Its process, that of the command, is the child of the shell that became it.
inside() { (become "$@"); }
become() {
	# shellcheck disable=SC2016 # The variables are those of the inner shell.
	exec unshare --mount --fork --kill-child sh -euc '
		root=$1 user=$2
		shift 2
		mount --bind "$root" "$root"
		for dir in tmp work; do
			[ ! -d "$root/$dir" ] || { mount -t tmpfs tmpfs "$root/$dir" && chmod 1777 "$root/$dir"; }
		done
		[ -z "${GIVEN:-}" ] || cp -r "$GIVEN"/. "$root/work/"
		[ ! -d "$root/dev" ] || mount --rbind /dev "$root/dev"
		[ ! -d "$root/proc" ] || mount -t proc proc "$root/proc"
		mount -o remount,bind,ro "$root"
		exec chroot --userspec="$user:$user" "$root" "$@"' inside "$@"
}

for name in $services caption-worker captions; do
	image="localhost/captions/$name:$TAG"
	container=$(buildah from --pull-never "$image")
	root=$(buildah mount "$container")
	user=$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' "$image")
	[ "$user" = 65532:65532 ] || fail "$name runs as \"$user\""
	user=65532
	case " $services " in
	*" $name "*)
		programs=$(find "$root" -type f -perm /111 | sed "s|^$root||" | sort | tr '\n' ' ')
		[ "$programs" = "/usr/local/bin/$name " ] || fail "$name has programs beside its own: $programs"
		;;
	*)
		# shellcheck disable=SC2016 # The inner shell's.
		inside "$root" $user /bin/sh -c '[ "$(id -u)" = 65532 ] && ! touch /x 2>/dev/null && touch /work/x /tmp/x' ||
			fail "$name: wrong user, or what should be read-only or writable is not"
		;;
	esac
	# Without settings the six say what is missing, and need nothing else to do so.
	if [ "$name" = captions ]; then
		inside "$root" $user /usr/local/bin/captions version | grep -q '^captions .' || fail "captions does not start"
	elif [ "$name" != frontend ]; then
		code=0
		inside "$root" $user "/usr/local/bin/$name" >"$tmp/out" 2>&1 || code=$?
		{ [ $code = 2 ] && grep -q CAPTIONS_ "$tmp/out"; } || { cat "$tmp/out"; fail "$name without settings ended with $code"; }
	fi
	size=$(du -sm "$root" | cut -f 1)
	printf 'images_test: %-16s user %s, %4s MB\n' "$name" "$user" "$size"
	case $name in
	frontend) frontend=$root ;;
	caption-worker) worker=$root ;;
	captions) captions=$root ;;
	esac
done

# One of them in full: the web app is served.
export CAPTIONS_ADDR=127.0.0.1:18479 CAPTIONS_ADMIN_ADDR=127.0.0.1:18480 CAPTIONS_DRAIN_PAUSE=0s
become "$frontend" 65532 /usr/local/bin/frontend >"$tmp/frontend" 2>&1 9>&- &
pid=$!
tries=0
until curl -sf http://127.0.0.1:18479/ >"$tmp/page" || [ $tries = 50 ]; do
	tries=$((tries + 1))
	sleep 0.2
done
unset CAPTIONS_ADDR CAPTIONS_ADMIN_ADDR CAPTIONS_DRAIN_PAUSE
# The server itself is asked to end: unshare, its parent, lets no signal through and ends with it.
pkill -TERM -P "$pid" || true
code=0
wait $pid || code=$?
[ $code = 0 ] || { cat "$tmp/frontend"; fail "frontend ended with $code"; }
grep -qi '<html' "$tmp/page" || { cat "$tmp/frontend"; fail "frontend does not serve the web app"; }

# What the worker needs to turn speech into text is in its image: the command that does so without a server runs in it.
mkdir "$tmp/given"
cp "$captions/usr/local/bin/captions" "$tmp/given/"
flite -voice rms -t 'The farmer walks to the market and buys fresh bread.' -o "$tmp/given/talk.wav"
export GIVEN="$tmp/given"
inside "$worker" 65532 /work/captions transcribe -f txt -o - /work/talk.wav >"$tmp/text" 2>"$tmp/out" ||
	{ cat "$tmp/out"; fail "the worker's image does not transcribe"; }
grep -q market "$tmp/text" || fail "the worker's image heard: $(cat "$tmp/text")"
say "the worker's image heard: $(tr '\n' ' ' <"$tmp/text")"

# What earlier versions have left.
buildah rmi --prune >/dev/null 2>&1 || true
[ -z "$failed" ] || exit 1
say "all images are as they should be"
