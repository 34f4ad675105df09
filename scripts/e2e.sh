#!/bin/sh
# Runs the end-to-end scenarios on a deployment that runs already: at URL, or in the cluster of KUBECONFIG. There the Service
# gateway-nodeport leads to it, as overlays/kind and overlays/node make it, and where there is none, a port is forwarded to the gateway.
set -eu
cd "$(dirname "$0")/.."

url=${URL:-}
if [ -z "$url" ]; then
	[ -n "${KUBECONFIG:-}" ] || { echo "e2e: say which deployment: make e2e KUBECONFIG=… or make e2e URL=http://…" >&2; exit 2; }
	# As a program rather than by go, so that ending it ends it.
	kubectl=$(command -v kubectl || go -C windtunnel tool -n kubectl)
	port=$("$kubectl" -n captions get service gateway-nodeport --ignore-not-found -o 'jsonpath={.spec.ports[0].nodePort}')
	if [ -n "$port" ]; then
		url=http://$("$kubectl" get nodes -o 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'):$port
	else
		said=$(mktemp)
		"$kubectl" -n captions port-forward service/gateway-service 18080:8080 >"$said" &
		forward=$!
		trap 'kill $forward; rm -f "$said"' EXIT
		until grep -q Forwarding "$said"; do
			kill -0 $forward 2>/dev/null || { echo "e2e: no port can be forwarded to the gateway; what is above says why" >&2; exit 1; }
			sleep 1
		done
		url=http://localhost:18080
	fi
fi
echo "e2e: on $url"
CAPTIONS_E2E_URL=$url go test -tags existing -count 1 -timeout "${TEST_TIMEOUT:-20m}" -v -run '^TestExisting$' ./e2e
