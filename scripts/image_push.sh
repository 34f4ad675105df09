#!/bin/sh
# Tags the images that make images built and pushes them to a registry, then prints each with its digest, as deploy/overlays/eks wants it.
#   scripts/image_push.sh REGISTRY [NAME...]
#   scripts/image_push.sh 123456789012.dkr.ecr.eu-central-1.amazonaws.com
#   scripts/image_push.sh ghcr.io/my-org
# TAG is as for make images. For Amazon ECR it signs in with the AWS command line and makes repositories that are missing;
# elsewhere sign in first (docker login, podman login, buildah login). It may be run again: what is there already is not sent twice.
set -eu
cd "$(dirname "$0")/.."

usage="usage: scripts/image_push.sh REGISTRY [NAME...], for example: scripts/image_push.sh ghcr.io/my-org"
[ $# -gt 0 ] || { echo "$usage" >&2; exit 2; }
registry=${1%/}
shift
case $registry in
'' | -* | *://* | *[[:space:]]*) echo "image_push: \"$registry\" is not a registry: give a host, with a path if you like, and without https://
$usage" >&2; exit 2 ;;
esac
tag=${TAG:-dev}
[ $# -gt 0 ] || set -- auth-service gateway-service upload-service caption-service caption-worker frontend

# shellcheck source=scripts/image_tool.sh
. scripts/image_tool.sh

exists() {
	case $tool in
	buildah) buildah inspect --type image "$1" >/dev/null 2>&1 ;;
	*) "$tool" image inspect "$1" >/dev/null 2>&1 ;;
	esac
}

# All of them must be there before the first one is sent.
missing=
for name in "$@"; do
	exists "captions/$name:$tag" || missing="$missing $name"
done
[ -z "$missing" ] || { echo "image_push: these images are missing; build them first with: make images TAG=$tag:$missing" >&2; exit 1; }

host=${registry%%/*}
path=${registry#"$host"}
case $host in
*.dkr.ecr.*.amazonaws.com | *.dkr.ecr.*.amazonaws.com.cn)
	command -v aws >/dev/null 2>&1 || { echo "image_push: $host is Amazon ECR, which needs the AWS command line: https://aws.amazon.com/cli" >&2; exit 1; }
	region=${host#*.dkr.ecr.}
	region=${region%%.amazonaws.com*}
	password=$(aws ecr get-login-password --region "$region") ||
		{ echo "image_push: AWS gave no password for $host; check: aws sts get-caller-identity" >&2; exit 1; }
	printf '%s' "$password" | "$tool" login --username AWS --password-stdin "$host" >/dev/null
	prefix=${path#/}
	for name in "$@"; do
		repository="${prefix:+$prefix/}$name"
		if ! aws ecr describe-repositories --region "$region" --repository-names "$repository" >/dev/null 2>&1; then
			echo "image_push: making the repository $repository" >&2
			# Somebody else may have made it meanwhile, which is as good.
			made=$(aws ecr create-repository --region "$region" --repository-name "$repository" --image-scanning-configuration scanOnPush=true 2>&1) ||
				case $made in
				*RepositoryAlreadyExistsException*) ;;
				*) echo "image_push: the repository $repository could not be made: $made" >&2; exit 1 ;;
				esac
		fi
	done
	;;
esac

digests=$(mktemp -d)
trap 'rm -rf "$digests"' EXIT
for name in "$@"; do
	to="$registry/$name:$tag"
	echo "image_push: $to" >&2
	"$tool" tag "captions/$name:$tag" "$to"
	case $tool in
	docker)
		docker push --quiet "$to" >/dev/null || { echo "image_push: $to could not be pushed; if it says denied, sign in: docker login $host" >&2; exit 1; }
		docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$to" | sed -n "s|^$registry/$name@||p" | head -n 1 >"$digests/$name"
		;;
	*)
		# The words of $PUSH_FLAGS are meant to be split.
		# shellcheck disable=SC2086
		"$tool" push ${PUSH_FLAGS:-} --quiet --digestfile "$digests/$name" "$to" ||
			{ echo "image_push: $to could not be pushed; if it says denied, sign in: $tool login $host" >&2; exit 1; }
		;;
	esac
done
for name in "$@"; do
	digest=$(cat "$digests/$name")
	case $digest in
	sha256:*) echo "$registry/$name@$digest" ;;
	*) echo "image_push: $tool did not tell the digest of $registry/$name:$tag" >&2; exit 1 ;;
	esac
done
