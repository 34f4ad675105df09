#!/usr/bin/env bash
# Measures how long the requests and tasks of the six services take on this machine, and what they cost, for the scenarios that ship: what
# `windtunnel measure` says of them under load. Lists are asked for, accounts are made (each costs a hash, as signing in does), and two videos of half
# an hour are captioned, one task at a time. It takes ten minutes, in which nothing else should run.
set -euo pipefail
cd "$(dirname "$0")/.."
address=127.0.0.1:18080
dir=$(mktemp -d)
began=()
end() {
	kill "${began[@]}" 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap end EXIT
go build -o "$dir/" ./cmd/captions ./scripts/services
go -C windtunnel build -o "$dir/" ./cmd/windtunnel

# An address may make a few accounts only, so each comes from another one.
CAPTIONS_WORKERS=1 CAPTIONS_TRUSTED_PROXIES=127.0.0.0/8 "$dir/services" --addr "$address" >"$dir/log" 2>&1 &
began+=($!)
until grep -q 'is ready' "$dir/log"; do
	kill -0 "${began[0]}" || { cat "$dir/log" >&2; exit 1; }
	sleep 1
done
services=$(sed -nE 's|^Metrics of ([a-z]+-[a-z]+): (.*)|captions/\1=\2|p' "$dir/log")

export XDG_CONFIG_HOME="$dir"
load() {
	"$dir/captions" load --server "http://$address" --create "$@" >>"$dir/load.log" 2>&1 &
	began+=($!)
}
load --users 5 --rps 50 -r 'GET /api/v1/captions' -r 'GET /api/v1/uploads' -d 10m
load --jobs-per-minute 2 --length 30m -d 1m --drain 10m
for i in $(seq 600); do
	curl -sS --fail -o "$dir/account" -H "X-Forwarded-For: 10.0.$((i / 250)).$((i % 250 + 1))" -H 'Content-Type: application/json' \
		-d "{\"email\":\"$i@example.org\",\"password\":\"a long password $i\"}" "http://$address/api/v1/auth/signup"
	sleep 1
done &
began+=($!)
# shellcheck disable=SC2086 # one argument a service
"$dir/windtunnel" measure $services --for 7m
