package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
	"k8s-scalers/windtunnel/windtunneltest"
)

func run(t *testing.T, path string, options windtunnel.Options) *report.Result {
	t.Helper()
	r := windtunneltest.Run(t, path, options)
	require.Empty(t, r.Check())
	return r
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
	require.Equal(t, before, r.Warnings, "and in the report, each once")
	var said []string
	for _, w := range r.Warnings {
		said = append(said, w.String())
	}
	all := strings.Join(said, "\n")
	require.Contains(t, all, "never/never.yaml:22: HorizontalPodAutoscaler shop/missing: it can never work: there is no Deployment shop/nobody")
	require.Contains(t, all, "container web requests no cpu")
	require.Contains(t, all, "nothing provides the External metric queue")
}

// TestComplaintsAreSaidOnce: the controller looks every 15 s, and complains each time that there are no metrics.
func TestComplaintsAreSaidOnce(t *testing.T) {
	gap := func(from, until time.Duration) *report.Result {
		return runChanged(t, "testdata/day.yaml", func(s *scenario.Scenario) {
			s.Duration, s.Metrics.Gaps = 2*time.Hour, []scenario.Gap{{From: from, Until: until}}
		})
	}
	r := gap(time.Hour, 90*time.Minute)
	require.Empty(t, r.Warnings, "it has passed")
	require.Len(t, r.Complaints, 1)
	c := r.Complaints[0]
	require.Equal(t, "Deployment shop/web", c.Object)
	require.Equal(t, "failed to compute desired number of replicas based on listed metrics", c.Text)
	require.Len(t, c.Reasons, 1)
	require.Contains(t, c.Reasons[0], "no metrics returned from resource metrics API")
	require.InDelta(t, 30*4, float64(c.Count), 4)
	require.InDelta(t, 3600, float64(c.First), 60)
	require.InDelta(t, 5400, float64(c.Last), 60)
	require.False(t, c.Lasting)

	r = gap(time.Hour, 3*time.Hour)
	require.Len(t, r.Warnings, 1, "it has not passed, which is said once")
	require.Contains(t, r.Warnings[0].String(), "HorizontalPodAutoscaler shop/web: at the end of the run it did not scale (FailedGetResourceMetric)")
	require.Len(t, r.Complaints, 1)
	require.True(t, r.Complaints[0].Lasting)
}
