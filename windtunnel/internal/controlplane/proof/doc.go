// Package proof holds the manifests in deploy/ to what they promise: each is accepted by a real control plane under strict
// validation, and the real controllers act on it as its numbers say. It consists of tests with the build tag
// autoscalers, which `make test-autoscalers` runs: they build upstream programs first, which takes minutes.
//
// Time in the policies is shortened where a controller has no flag for it, by patching a copy; the test that does so says how.
// kwok stands in for kubelets, package metricsapi for metrics-server and prometheus-adapter. Everything else is the
// original. docs/adr/0011 says why it is done like this, and how long it takes.
package proof
