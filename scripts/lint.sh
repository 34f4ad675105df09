#!/bin/sh
# Checks everything that can be checked without running the program. It goes through all checks before it fails.
set -eu
cd "$(dirname "$0")/.."

failed=
check() {
	name=$1
	shift
	echo "lint: $name"
	"$@" || failed="$failed $name"
}

formatting() {
	unformatted=$(find . -name '*.go' -not -path '*/node_modules/*' -exec gofmt -l {} +)
	[ -z "$unformatted" ] || { printf 'not formatted by gofmt:\n%s\n' "$unformatted"; return 1; }
}

modules() { go mod verify >/dev/null && go mod tidy -diff; }

# The stand-in for MongoDB is a module of its own.
standin() { (cd internal/testservers/ferretdb && go vet . && go mod tidy -diff); }

# The wind tunnel is one, too, with proofs behind a tag.
windtunnel() { (cd windtunnel && "$linter" run --build-tags autoscalers,cluster ./... && go mod tidy -diff); }

reference() {
	go run ./cmd/captions config-reference | cmp - docs/configuration.md ||
		{ echo "docs/configuration.md is not what the code says; run: make generate"; return 1; }
}

linter=$(scripts/golangci-lint.sh)
check gofmt formatting
check vet go vet ./...
check golangci-lint "$linter" run ./...
check golangci-lint-windtunnel windtunnel
check modules modules
check ferretdb standin
check shellcheck shellcheck -x scripts/*.sh .ci/run deploy/addons/install.sh deploy/overlays/node/images/*.sh
check configuration-reference reference
check web scripts/web.sh check

[ -z "$failed" ] || { echo "lint: failed:$failed"; exit 1; }
echo "lint: no issues"
