package windtunnel

import (
	"fmt"

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

// CompareWith is Compare with a function that carries out one run.
func CompareWith(policies []Policy, seeds uint64, options Options, run func(Options) (*report.Result, error)) (*report.Comparison, error) {
	var results []*report.Result
	for _, policy := range policies {
		for seed := range seeds {
			options.Policy, options.Manifests, options.Seed = policy.Name, policy.Manifests, seed+1
			result, err := run(options)
			if err != nil {
				return nil, fmt.Errorf("policy %s: %w", policy.Name, err)
			}
			results = append(results, result)
			if result.Interrupted {
				return nil, fmt.Errorf("policy %s, seed %d: the run was interrupted, and runs of different lengths cannot be compared", policy.Name, seed+1)
			}
		}
	}
	return report.Compare(results)
}
