#!/bin/sh
# Prints the path of golangci-lint at the version that the project uses, building it first when it is not there.
# It lives in the user's cache folder, keyed by version, so that every clone shares it and none gets another version.
set -eu

version=v2.15.0

dir=${XDG_CACHE_HOME:-$HOME/.cache}/k8s-scalers/golangci-lint-$version-$(go env GOVERSION)
if [ ! -x "$dir/golangci-lint" ]; then
	echo "Building golangci-lint $version (once)" >&2
	mkdir -p "$dir"
	new=$(mktemp -d "$dir/new.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	# Outside the module, so that its own go.mod is not asked; moved at the end, so that no half-built program stays.
	(cd "$new" && GOBIN=$new GOFLAGS=-buildvcs=false go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version") >&2
	mv "$new/golangci-lint" "$dir/golangci-lint"
fi
echo "$dir/golangci-lint"
