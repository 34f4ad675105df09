package windtunnel_test

import (
	"strings"
	"testing"
	"time"

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
	require.Equal(t, 5, c.Planned)
	var table strings.Builder
	require.NoError(t, c.WriteSummary(&table))
	require.Contains(t, table.String(), "2 seeds (interrupted; 5 were asked for)")
	require.Equal(t, []string{"a", "b"}, c.Policies)
	c, err = windtunnel.CompareWith(policies, 5, windtunnel.Options{}, stopAfter(100))
	require.NoError(t, err)
	require.Len(t, c.Seeds, 5)
	_, err = windtunnel.CompareWith(policies, 5, windtunnel.Options{}, stopAfter(1))
	require.ErrorContains(t, err, "nothing to compare")
}

// TestProgressOfAComparison goes over all runs.
func TestProgressOfAComparison(t *testing.T) {
	policies := []windtunnel.Policy{{Name: "a"}, {Name: "b"}}
	var seen []time.Duration
	_, err := windtunnel.CompareWith(policies, 2, windtunnel.Options{Progress: func(at time.Duration) { seen = append(seen, at) }},
		func(o windtunnel.Options) (*report.Result, error) {
			r := report.New(report.Axis{Step: 60, Points: 2})
			r.Policy, r.Seed, r.Duration = o.Policy, o.Seed, 3600
			o.Progress(time.Hour)
			return r, nil
		})
	require.NoError(t, err)
	require.Equal(t, []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour}, seen)
}
