package engine_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/internal/engine"
	"k8s-scalers/windtunnel/internal/vtime"
	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
	"k8s-scalers/windtunnel/scenarios"
)

// repeated are scenarios with every scaler, each for as long as all of them need to act.
var repeated = map[string]time.Duration{
	"testdata/day.yaml": 10 * time.Hour, "testdata/nodes.yaml": 3 * time.Hour, "testdata/groups.yaml": time.Hour,
	"testdata/crowded.yaml": 10 * time.Minute, "testdata/pools.yaml": time.Hour,
	// Without nodes in one zone only, every other run was another one.
	"testdata/mixed.yaml": 2 * time.Hour,
}

func TestSameSeedSameBytesOnAnyNumberOfCores(t *testing.T) {
	for path, duration := range repeated {
		t.Run(path, func(t *testing.T) {
			cores := runtime.GOMAXPROCS(0)
			defer runtime.GOMAXPROCS(cores)
			var first []byte
			for _, n := range []int{1, 2, 4} {
				runtime.GOMAXPROCS(n)
				again := bytesOf(t, run(t, path, windtunnel.Options{Duration: duration}))
				if first == nil {
					first = again
				}
				requireSame(t, first, again)
			}
			require.NotEqual(t, first, bytesOf(t, run(t, path, windtunnel.Options{Duration: duration, Seed: 7})), "another seed")
		})
	}
}

// TestSameBytesWhicheverGoroutineIsFaster lets goroutines overtake each other as they do on a machine that has other things to do.
func TestSameBytesWhicheverGoroutineIsFaster(t *testing.T) {
	for path, duration := range repeated {
		t.Run(path, func(t *testing.T) {
			first := bytesOf(t, run(t, path, windtunnel.Options{Duration: duration}))
			s, err := scenario.Read(path)
			require.NoError(t, err)
			s.Duration = duration
			for range 2 {
				requireSame(t, first, bytesOf(t, disturbed(t, s, s.ManifestPaths())))
			}
		})
	}
}

// TestSameBytesOfManyNodesAndWorkers is the scenario that was hardest to repeat: pods of workers come and go by the dozen, and Karpenter's nodes
// with them.
func TestSameBytesOfManyNodesAndWorkers(t *testing.T) {
	s, err := scenarios.Read("product-launch")
	require.NoError(t, err)
	s.Duration = 40 * time.Minute
	deploy := []string{"../../../deploy/overlays/eks", "../../../deploy/KEDA/caption-worker", "../../../deploy/Karpenter"}
	first := bytesOf(t, disturbed(t, s, deploy))
	for range 2 {
		requireSame(t, first, bytesOf(t, disturbed(t, s, deploy)))
	}
}

// disturbed runs a scenario in which goroutines let others go first, as often as chance will have it.
func disturbed(t *testing.T, s *scenario.Scenario, manifests []string) *report.Result {
	t.Helper()
	objects, err := manifest.Load(manifests...)
	require.NoError(t, err)
	var result *report.Result
	require.NoError(t, vtime.Test(t, func() {
		result, err = engine.Run(engine.Input{Scenario: s, Objects: objects, Disturb: func() {
			for range rand.IntN(5) {
				runtime.Gosched()
			}
		}})
	}))
	require.NoError(t, err)
	return result
}

func bytesOf(t *testing.T, r *report.Result) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, r.WriteJSON(&out))
	return out.Bytes()
}

func requireSame(t *testing.T, first, again []byte) {
	t.Helper()
	at := 0
	for at < min(len(first), len(again)) && first[at] == again[at] {
		at++
	}
	if at < max(len(first), len(again)) {
		around := func(b []byte) string { return string(b[max(0, at-300):min(at+100, len(b))]) }
		require.Equal(t, around(first), around(again), "the same scenario and seed gave other bytes")
	}
}
