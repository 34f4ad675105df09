#!/bin/sh
# Runs every fuzz target of the project, or of some folders, for a while each: scripts/fuzz.sh [DURATION [FOLDER…]]
set -eu
cd "$(dirname "$0")/.."

time=${1:-5s}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- .
failed=
for dir in $(grep -rl --include='*_test.go' '^func Fuzz' "$@" | xargs -r -n1 dirname | sort -u); do
	targets=$(grep -oh '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | cut -d' ' -f2)
	for target in $targets; do
		echo "fuzz: $dir $target"
		# From its own folder, since not all are of one module.
		(cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1x .) || failed="$failed $dir:$target"
	done
done
[ -z "$failed" ] || { echo "fuzz: failed:$failed"; exit 1; }
