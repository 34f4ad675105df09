package windtunneltest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/windtunneltest"
)

// TestPolicyKeepsItsPromises is what a regression test of a policy looks like: the scenario and the manifests that will be
// deployed, and what was promised to users.
func TestPolicyKeepsItsPromises(t *testing.T) {
	result := windtunneltest.Run(t, "../internal/engine/testdata/day.yaml", windtunnel.Options{
		Manifests: []string{"../internal/engine/testdata/web"},
		Duration:  4 * time.Hour,
	})
	for _, promise := range result.SLOs {
		require.Equal(t, report.Met, promise.Verdict(), promise.Name)
	}
	require.LessOrEqual(t, float64(result.Workloads[0].Replicas.Current.Max()), 6.0)
}
