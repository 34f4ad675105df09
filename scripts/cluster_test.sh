#!/bin/sh
# What make test-cluster runs while the cluster is there: the end-to-end scenarios, then those of the cluster itself, each in turn. With
# SCENARIOS it is only those of the cluster whose tests' names match; TIMELINE names a file for the picture of what they saw.
set -eu
cd "$(dirname "$0")/.."

[ -n "${SCENARIOS:-}" ] || scripts/e2e.sh
go test -C windtunnel -tags cluster -count 1 -timeout 60m -v -run "${SCENARIOS:-.}" ./internal/node/platform
