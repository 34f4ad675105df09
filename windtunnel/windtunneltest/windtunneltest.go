// Package windtunneltest runs scenarios in tests, so that a policy can be held to its promises in CI.
package windtunneltest

import (
	"testing"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/internal/vtime"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
)

// Run reads a scenario and runs it. The test ends where the scenario or the manifests have mistakes.
func Run(t *testing.T, path string, options windtunnel.Options) *report.Result {
	t.Helper()
	result, err := run(t, read(t, path), options)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// RunScenario runs a scenario that was made in Go, or changed after it was read.
func RunScenario(t *testing.T, s *scenario.Scenario, options windtunnel.Options) *report.Result {
	t.Helper()
	result, err := run(t, s, options)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Compare reads a scenario and runs it under each policy with the seeds 1 to seeds; see windtunnel.Compare. The test ends where the
// scenario or the manifests have mistakes.
func Compare(t *testing.T, path string, policies []windtunnel.Policy, seeds uint64, options windtunnel.Options) *report.Comparison {
	t.Helper()
	s := read(t, path)
	comparison, err := windtunnel.CompareWith(policies, seeds, options, func(o windtunnel.Options) (*report.Result, error) { return run(t, s, o) })
	if err != nil {
		t.Fatal(err)
	}
	return comparison
}

func read(t *testing.T, path string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, s *scenario.Scenario, options windtunnel.Options) (*report.Result, error) {
	t.Helper()
	return windtunnel.Prepare(s, options, func(work func()) error { return vtime.Test(t, work) })
}
