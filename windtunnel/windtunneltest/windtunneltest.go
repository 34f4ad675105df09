// Package windtunneltest runs scenarios in tests, so that a policy can be held to its promises in CI.
package windtunneltest

import (
	"testing" //nolint:depguard // this package is for tests

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/internal/vtime"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
)

// Run reads a scenario and runs it. The test ends where the scenario or the manifests have mistakes.
func Run(t *testing.T, path string, options windtunnel.Options) *report.Result {
	t.Helper()
	s, err := scenario.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	result, err := windtunnel.Prepare(s, options, func(work func()) error { return vtime.Test(t, work) })
	if err != nil {
		t.Fatal(err)
	}
	return result
}
