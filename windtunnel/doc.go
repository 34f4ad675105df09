// Package windtunnel runs the decision code of the Kubernetes autoscalers in virtual time: against the manifests that
// somebody will deploy, over a day of load, in seconds. It is a module of its own, so that the platform beside it need
// not know Kubernetes.
package windtunnel
