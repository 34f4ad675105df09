package windtunneltest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/windtunneltest"
)

// TestANewPolicyIsBetter is what a test of a change looks like: the policy of today and the one of tomorrow under the same load, with
// several seeds, and what must have become better or must not have become worse.
func TestANewPolicyIsBetter(t *testing.T) {
	c := windtunneltest.Compare(t, "../internal/engine/testdata/day.yaml", []windtunnel.Policy{
		{Name: "five replicas", Manifests: []string{"../internal/engine/testdata/fixed"}},
		{Name: "scaled", Manifests: []string{"../internal/engine/testdata/web"}},
	}, 3, windtunnel.Options{Duration: 14 * time.Hour})
	verdicts := map[string]string{}
	for _, m := range c.Measures {
		verdicts[m.Name] = m.Verdict(1)
	}
	require.Equal(t, report.Better, verdicts["promise fast"], "at noon five replicas are too few")
	require.Equal(t, report.Better, verdicts["shop/web latency p99"])
	require.NotEqual(t, report.Better, verdicts["shop/web replica hours"])

	// What is compared is known with its uncertainty, and the page says the same as the table.
	require.Equal(t, []uint64{1, 2, 3}, c.Seeds)
	for _, m := range c.Measures {
		for _, e := range m.Policies {
			if e.Mean.Known() {
				require.Equal(t, 3, e.Runs, m.Name)
				require.LessOrEqual(t, float64(e.Low), float64(e.Mean), m.Name)
				require.GreaterOrEqual(t, float64(e.High), float64(e.Mean), m.Name)
			}
		}
	}
	var table, page strings.Builder
	require.NoError(t, c.WriteSummary(&table))
	require.Contains(t, table.String(), "3 seeds; compared with five replicas; in brackets 95 % confidence intervals")
	require.NoError(t, c.WriteHTML(&page))
	for _, m := range c.Measures {
		require.Contains(t, page.String(), m.Name)
		if m.Verdict(1) != report.Same {
			require.Contains(t, table.String(), m.Name)
		}
	}
}

// TestPoliciesMeetTheSameLoad: the same seed brings as much of it to each.
func TestPoliciesMeetTheSameLoad(t *testing.T) {
	arrived := map[string]report.Value{}
	for name, folder := range map[string]string{"fixed": "../internal/engine/testdata/fixed", "scaled": "../internal/engine/testdata/web"} {
		r := windtunneltest.Run(t, "../internal/engine/testdata/day.yaml", windtunnel.Options{Manifests: []string{folder}, Duration: 6 * time.Hour})
		arrived[name] = r.Workloads[0].Counts.Arrived
	}
	require.Positive(t, float64(arrived["fixed"]))
	require.InDelta(t, float64(arrived["fixed"]), float64(arrived["scaled"]), 0)
}
