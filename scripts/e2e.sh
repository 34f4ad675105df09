#!/bin/sh
# Runs the end-to-end scenarios on a deployment that runs already: at URL, or in the cluster of KUBECONFIG. There the Service
# gateway-nodeport leads to it, as overlays/kind and overlays/node make it.
set -eu
cd "$(dirname "$0")/.."

url=${URL:-}
if [ -z "$url" ]; then
	[ -n "${KUBECONFIG:-}" ] || { echo "e2e: say which deployment: make e2e KUBECONFIG=… or make e2e URL=http://…" >&2; exit 2; }
	kubectl=$(command -v kubectl || go -C windtunnel tool -n kubectl)
	port=$("$kubectl" -n captions get service gateway-nodeport --ignore-not-found -o 'jsonpath={.spec.ports[0].nodePort}')
	if [ -z "$port" ]; then
		# A port that kubectl forwards will not do: it gives up for all when the gateway closes one connection half-way, as some scenarios
		# have it do.
		echo "e2e: there is no Service gateway-nodeport in this cluster; say where the gateway is: make e2e URL=https://…" >&2
		exit 2
	fi
	url=http://$("$kubectl" get nodes -o 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'):$port
fi
echo "e2e: on $url"
CAPTIONS_E2E_URL=$url go test -tags existing -count 1 -timeout "${TEST_TIMEOUT:-20m}" -v -run '^TestExisting$' ./e2e
