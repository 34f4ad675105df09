package engine_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
)

const mebibyte = 1 << 20

// vertical runs the scenario of that name with some text of its manifests replaced.
func vertical(t *testing.T, replace ...string) *report.Result {
	t.Helper()
	folder := filepath.Dir(changed(t, "vertical/web.yaml", replace...))
	return run(t, "testdata/vertical.yaml", windtunnel.Options{Manifests: []string{folder}})
}

func TestVPARecommends(t *testing.T) {
	r := vertical(t)
	require.Empty(t, r.Warnings)
	w := workload(t, r, "shop/web")
	require.Len(t, w.Recommendations, 1)
	got := w.Recommendations[0]
	require.Equal(t, []string{"VerticalPodAutoscaler shop/web", "Off", "web"}, []string{got.Policy, got.Mode, got.Container})
	// 20 requests a second of 68 ms in the mean at 0.9 core, over four pods: 0.3 core each, with peaks above it. The policy allows half of that.
	require.InDelta(t, 0.15, float64(got.CPU.Target), 0)
	require.InDelta(t, 0.45, float64(got.CPU.Uncapped), 0.15)
	require.InDelta(t, 3, float64(got.CPU.Requested), 0)
	// A pod takes 60 MiB and one for each request in it; the margin is 15 %. Without the flag of the scenario it would be 250.
	require.InDelta(t, 80*mebibyte, float64(got.Memory.Target), 15*mebibyte)
	require.LessOrEqual(t, float64(got.Memory.Lower), float64(got.Memory.Target))
	require.GreaterOrEqual(t, float64(got.Memory.Upper), float64(got.Memory.Target))
	require.Empty(t, r.Decisions, "in the mode Off nothing is done")
	require.InDelta(t, 12, float64(w.CPURequested[len(w.CPURequested)-1]), 0)
}

func TestVPARecreatesPods(t *testing.T) {
	r := vertical(t, `"Off"`, "Recreate")
	w := workload(t, r, "shop/web")
	require.Positive(t, float64(w.Counts.Evictions))
	require.Len(t, byScaler(r, "vpa", r.Decisions[0].Object), 1)
	require.Contains(t, r.Decisions[0].Reason, "evicted")
	require.Equal(t, "3, 1Gi", r.Decisions[0].From)
	require.InDelta(t, 4*0.15, float64(w.CPURequested[len(w.CPURequested)-1]), 0.001, "the webhook gives new pods what is recommended")
	for _, ready := range w.Replicas.Ready {
		require.GreaterOrEqual(t, float64(ready), 2.0, "at most half of the pods at once")
	}
	require.Zero(t, w.Counts.Failed, "clients try again")
}

// TestVPASetsTheRequestsOfNewPodsOnly lets an autoscaler add pods when the load rises: they get what is recommended, and nobody touches
// those that run.
func TestVPASetsTheRequestsOfNewPodsOnly(t *testing.T) {
	folder := filepath.Dir(changed(t, "vertical/web.yaml", `"Off"`, "Initial", "  replicas: 4\n", ""))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "hpa.yaml"), []byte(`apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 6
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: AverageValue, averageValue: 600m}}
`), 0o600))
	scenario := changed(t, "vertical.yaml", "{shape: steady, rate: 20}", "{shape: step, from: 10, to: 40, at: 4h}")
	r := run(t, scenario, windtunnel.Options{Manifests: []string{folder}})
	w := workload(t, r, "shop/web")
	require.InDelta(t, 6, float64(w.CPURequested[3*60]), 0, "two pods from before there was a recommendation")
	last := len(w.CPURequested) - 1
	added := float64(w.Replicas.Ready[last]) - 2
	require.GreaterOrEqual(t, added, 2.0)
	require.InDelta(t, 6+added*0.15, float64(w.CPURequested[last]), 0.001)
	require.Zero(t, w.Counts.Evictions.Or(0))
	for _, d := range r.Decisions {
		require.NotEqual(t, "vpa", d.Scaler, "nothing is updated: %s", d.Reason)
	}
}

func TestVPAResizesPodsInPlace(t *testing.T) {
	r := vertical(t, `"Off"`, "InPlaceOrRecreate")
	w := workload(t, r, "shop/web")
	require.NotEmpty(t, r.Decisions)
	require.Equal(t, "resized in place", r.Decisions[0].Reason)
	require.InDelta(t, 4, float64(w.Counts.PodsStarted), 0, "nothing was restarted")
	require.InDelta(t, 4*0.15, float64(w.CPURequested[len(w.CPURequested)-1]), 0.001)
	require.Zero(t, w.Counts.Disrupted)
}

// TestVPALearnsFromPodsThatRunOutOfMemory gives pods less memory than they need: what was used when they were killed is not known, and
// the recommender adds to what they had.
func TestVPALearnsFromPodsThatRunOutOfMemory(t *testing.T) {
	r := vertical(t, "memory: 1Gi}\n            limits: {memory: 1Gi", "memory: 62Mi}\n            limits: {memory: 62Mi")
	w := workload(t, r, "shop/web")
	require.Positive(t, float64(w.Counts.OOMKills))
	require.Greater(t, float64(w.Recommendations[0].Memory.Target), 150.0*mebibyte)
}

func TestWhatVPACannotDoIsSaid(t *testing.T) {
	r := vertical(t, "kind: Deployment, name: web", "kind: Deployment, name: nobody")
	require.Len(t, r.Warnings, 1)
	require.Contains(t, r.Warnings[0].String(), "VerticalPodAutoscaler shop/web: it can never work: there is no Deployment shop/nobody")
	require.Contains(t, r.Warnings[0].Where, "web.yaml:")
	_, err := os.Stat(r.Warnings[0].Where[:len(r.Warnings[0].Where)-len(":22")])
	require.NoError(t, err)
}
