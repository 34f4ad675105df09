#!/bin/sh
# What make test-cluster runs while the cluster is there: the end-to-end scenarios, then those of the cluster itself.
set -eu
cd "$(dirname "$0")/.."

scripts/e2e.sh
go test -C windtunnel -tags cluster -count 1 -timeout 20m -v ./internal/node/platform
