package engine_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/windtunneltest"
)

func run(t *testing.T, path string, options windtunnel.Options) *report.Result {
	t.Helper()
	r := windtunneltest.Run(t, path, options)
	require.Empty(t, r.Check())
	return r
}

func TestSameSeedSameBytesOnAnyNumberOfCores(t *testing.T) {
	for path, duration := range map[string]time.Duration{
		"testdata/day.yaml": 10 * time.Hour, "testdata/nodes.yaml": 3 * time.Hour, "testdata/groups.yaml": time.Hour,
		"testdata/crowded.yaml": 10 * time.Minute, "testdata/pools.yaml": time.Hour,
	} {
		t.Run(path, func(t *testing.T) { sameBytes(t, path, duration) })
	}
}

func sameBytes(t *testing.T, path string, duration time.Duration) {
	t.Helper()
	var first string
	cores := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(cores)
	for _, n := range []int{1, 2, 4, 2} {
		runtime.GOMAXPROCS(n)
		var out bytes.Buffer
		require.NoError(t, run(t, path, windtunnel.Options{Duration: duration}).WriteJSON(&out))
		if first == "" {
			first = out.String()
		}
		if got := out.String(); got != first {
			at := 0
			for at < min(len(first), len(got)) && first[at] == got[at] {
				at++
			}
			require.Equal(t, first[max(at-300, 0):min(at+100, len(first))], got[max(at-300, 0):min(at+100, len(got))], "with %d cores", n)
		}
	}
	var other bytes.Buffer
	require.NoError(t, run(t, path, windtunnel.Options{Duration: duration, Seed: 7}).WriteJSON(&other))
	require.NotEqual(t, first, other.String(), "another seed")
}

func TestTheRealControllerScalesWithTheLoad(t *testing.T) {
	r := run(t, "testdata/day.yaml", windtunnel.Options{})
	w := r.Workloads[0]
	require.InDelta(t, 3, float64(w.Replicas.Ready[2*60]), 1, "at night")
	// 90 requests a second, 60 ms median and 84 ms mean, 0.9 core: about 7 cores at noon, at 70 % of half a core each.
	require.InDelta(t, 20, float64(w.Replicas.Current.Max()), 1, "at noon")
	require.Equal(t, report.Met, r.SLOs[0].Verdict())
	require.NotEmpty(t, r.Decisions)
	require.Empty(t, r.Warnings)
	require.InDelta(t, float64(w.Replicas.Current[len(w.Replicas.Current)-1]), float64(w.Counts.PodsStarted-w.Counts.PodsStopped), 1)
	for _, d := range r.Decisions {
		require.NotEmpty(t, d.Reason)
	}
	require.Len(t, r.NotModelled, 3, "the network policy, the Deployment without load, and the nodes")
	require.Contains(t, r.NotModelled[0].Where, "web.yaml:28")
}

func TestAStoppedRunSaysWhatItHas(t *testing.T) {
	polls := 0
	r := run(t, "testdata/day.yaml", windtunnel.Options{Stopped: func() bool { polls++; return polls == 600 }})
	require.True(t, r.Interrupted)
	require.InDelta(t, 600, float64(r.Duration), 0)
	require.Positive(t, float64(r.Workloads[0].Counts.Served))
}

func TestWhatCanNeverWorkIsSaid(t *testing.T) {
	var before []report.Note
	r := run(t, "testdata/never.yaml", windtunnel.Options{Warned: func(notes []report.Note) { before = notes }})
	require.Len(t, before, 3, "what is said before the run")
	require.Equal(t, before, r.Warnings[:3], "and in the report")
	var said []string
	for _, w := range r.Warnings {
		said = append(said, w.Where+" "+w.Text)
	}
	all := strings.Join(said, "\n")
	require.Contains(t, all, "never/never.yaml:22 HorizontalPodAutoscaler shop/missing: it can never work: there is no Deployment shop/nobody")
	require.Contains(t, all, "container web requests no cpu")
	require.Contains(t, all, "nothing provides the External metric queue")
}
