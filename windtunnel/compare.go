package windtunnel

import (
	"errors"
	"fmt"
	"time"

	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
)

// Policy is manifests under a name.
type Policy struct {
	Name      string
	Manifests []string
}

// Compare runs a scenario under each policy with the seeds 1 to seeds, and puts the results side by side. The same seed brings
// the same load under every policy: what arrives when, and how large it is. The first policy is what the others are compared with.
// Programs call it; tests use package windtunneltest.
func Compare(s *scenario.Scenario, policies []Policy, seeds uint64, options Options) (*report.Comparison, error) {
	return CompareWith(policies, seeds, options, func(o Options) (*report.Result, error) { return Run(s, o) })
}

// CompareWith is Compare with a function that carries out one run. Where a run is stopped early, the seeds that every policy was run with
// until then are compared. Progress is told the time of all runs together.
func CompareWith(policies []Policy, seeds uint64, options Options, run func(Options) (*report.Result, error)) (*report.Comparison, error) {
	var complete []*report.Result
	progress, before := options.Progress, time.Duration(0)
	for seed := range seeds {
		var round []*report.Result
		for _, policy := range policies {
			options.Policy, options.Manifests, options.Seed = policy.Name, policy.Manifests, seed+1
			if progress != nil {
				done := before
				options.Progress = func(at time.Duration) { progress(done + at) }
			}
			result, err := run(options)
			switch {
			case err != nil:
				return nil, fmt.Errorf("policy %s: %w", policy.Name, err)
			case result.Interrupted && len(complete) == 0:
				return nil, errors.New("stopped before each policy was run once, so there is nothing to compare")
			case result.Interrupted:
				comparison, err := report.Compare(complete)
				if err == nil {
					comparison.Planned = int(seeds)
				}
				return comparison, err
			}
			round = append(round, result)
			before += time.Duration(float64(result.Duration) * float64(time.Second))
		}
		complete = append(complete, round...)
	}
	return report.Compare(complete)
}
