// Package manifest reads what somebody will apply to a cluster: Kustomize folders, as `kubectl apply -k` builds them, and
// plain YAML. Each object remembers the file and the line that it and each of its fields came from, so that whatever is
// said about it can be looked up, and can be checked as strictly as an API server would, against the Go types of
// Kubernetes and the schemas of the autoscalers' own kinds. What the objects mean together is up to package lint and to
// the wind tunnel.
package manifest
