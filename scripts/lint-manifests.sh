#!/bin/sh
# Finds the mistakes in manifests: lint-manifests.sh FOLDER… judges folders that are applied together, by their names below
# deploy. Without folders it judges each policy that we ship beside the services, and the overlays.
set -eu
cd "$(dirname "$0")/../deploy"

program=$(mktemp)
trap 'rm -f "$program"' EXIT
(cd ../windtunnel && go build -o "$program" ./cmd/windtunnel)

if [ $# -gt 0 ]; then
	"$program" check "$@"
	exit
fi
# What others are made of is not applied on its own. A VPA is judged beside the HPA that keeps two replicas of its service.
policies=$(find HPA KEDA CPA CAS Karpenter -name kustomization.yaml -not -path '*/behavior/*' -not -path '*/authentication/*' \
	-not -path '*/controller/*' -exec dirname {} \; | sort)
# shellcheck disable=SC2086
"$program" check --each --with base $policies
for service in auth-service gateway-service upload-service caption-service; do
	"$program" check --each --with "base,HPA/$service/pod-metric/request_per_second" VPA/$service/*/
done
"$program" check --each --with base,KEDA/caption-worker VPA/caption-worker/*/
"$program" check --each overlays/*/
