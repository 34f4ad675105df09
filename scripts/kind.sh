#!/bin/sh
# The platform in a cluster on this machine: makes the kind cluster "captions", builds the images and puts them into it, applies
# overlays/kind and waits until everything is ready. Run it again after a change. `kind delete cluster --name captions` ends it.
set -eu
cd "$(dirname "$0")/.."

for program in docker kind kubectl; do
	command -v "$program" >/dev/null 2>&1 || { echo "kind: $program is missing; install Docker, kind (https://kind.sigs.k8s.io) and kubectl" >&2; exit 1; }
done
docker info >/dev/null 2>&1 || { echo "kind: Docker does not answer; start it, or ask to be let into the group docker" >&2; exit 1; }

services="auth-service gateway-service upload-service caption-service caption-worker frontend"
IMAGE_TOOL=docker make images TAG=dev
kind get clusters 2>/dev/null | grep -qx captions || kind create cluster --config deploy/overlays/kind/cluster/cluster.yaml --wait 120s
for service in $services; do
	kind load docker-image --name captions "captions/$service:dev"
done
kubectl --context kind-captions apply -k deploy/overlays/kind
# Images of the same name may be new.
kubectl --context kind-captions -n captions rollout restart deployment
for set in rabbitmq redis mongodb postgresql minio; do
	kubectl --context kind-captions -n captions rollout status "statefulset/$set" --timeout 5m
done
for service in $services; do
	kubectl --context kind-captions -n captions rollout status "deployment/$service" --timeout 5m
done
echo "captions is ready on http://localhost:8080"
