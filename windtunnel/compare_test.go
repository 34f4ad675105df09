package windtunnel_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
)

// TestAStoppedComparisonComparesWholeSeeds stops in the middle of the third seed, and of the first.
func TestAStoppedComparisonComparesWholeSeeds(t *testing.T) {
	policies := []windtunnel.Policy{{Name: "a", Manifests: []string{"a"}}, {Name: "b", Manifests: []string{"b"}}}
	stopAfter := func(runs int) func(windtunnel.Options) (*report.Result, error) {
		return func(o windtunnel.Options) (*report.Result, error) {
			require.Equal(t, []string{o.Policy}, o.Manifests)
			r := report.New(report.Axis{Step: 60, Points: 2})
			r.Policy, r.Seed = o.Policy, o.Seed
			r.Cluster.Cost.Total = report.Value(o.Seed)
			runs--
			r.Interrupted = runs < 0
			return r, nil
		}
	}
	c, err := windtunnel.CompareWith(policies, 5, windtunnel.Options{}, stopAfter(5))
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2}, c.Seeds)
	require.Equal(t, []string{"a", "b"}, c.Policies)
	c, err = windtunnel.CompareWith(policies, 5, windtunnel.Options{}, stopAfter(100))
	require.NoError(t, err)
	require.Len(t, c.Seeds, 5)
	_, err = windtunnel.CompareWith(policies, 5, windtunnel.Options{}, stopAfter(1))
	require.ErrorContains(t, err, "nothing to compare")
}
