package engine_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
)

// workload is the one of a name in a result.
func workload(t *testing.T, r *report.Result, id string) report.Workload {
	t.Helper()
	i := slices.IndexFunc(r.Workloads, func(w report.Workload) bool { return w.ID() == id })
	require.GreaterOrEqual(t, i, 0, id)
	return r.Workloads[i]
}

// byScaler is the decisions of one scaler about an object.
func byScaler(r *report.Result, scaler, object string) []report.Decision {
	var found []report.Decision
	for _, d := range r.Decisions {
		if d.Scaler == scaler && d.Object == object {
			found = append(found, d)
		}
	}
	return found
}

// noJobLost: what arrived was finished.
func noJobLost(t *testing.T, w report.Workload) {
	t.Helper()
	require.Positive(t, float64(w.Counts.Arrived))
	require.InDelta(t, float64(w.Counts.Arrived), float64(w.Counts.Served), 0)
	require.Zero(t, w.Counts.Failed)
	require.Zero(t, w.Counts.Unfinished)
}

func TestKEDATakesWorkersUpFromNoneAndBack(t *testing.T) {
	r := run(t, "testdata/worker.yaml", windtunnel.Options{})
	require.Empty(t, r.Warnings)
	w := workload(t, r, "captions/caption-worker")
	noJobLost(t, w)
	require.Zero(t, w.Replicas.Current[19], "no task, no worker")
	require.InDelta(t, 30, float64(w.Replicas.Current.Max()), 0, "2 tasks a worker: forty jobs want them all")
	require.Zero(t, w.Replicas.Current[95], "between the batches")
	require.Zero(t, w.Replicas.Current[len(w.Replicas.Current)-1])
	require.Zero(t, w.Replicas.Min[0])
	require.InDelta(t, 30, float64(w.Replicas.Max[0]), 0)

	steps := byScaler(r, "keda", "Deployment captions/caption-worker")
	var text []string
	for _, d := range steps {
		text = append(text, d.From+"->"+d.To+" "+d.Reason)
	}
	require.Len(t, steps, 4, strings.Join(text, "\n"))
	wakes, sleeps := []report.Decision{steps[0], steps[2]}, []report.Decision{steps[1], steps[3]}
	for i, at := range []float64{20 * 60, 100 * 60} {
		require.Equal(t, "0->1", wakes[i].From+"->"+wakes[i].To)
		require.Contains(t, wakes[i].Reason, "s0-rabbitmq-jobs")
		// The first task of a batch comes after a moment; the statistics are up to 5 s old, and KEDA looks every 10 s.
		require.InDelta(t, at+10, float64(wakes[i].At), 12)
		require.Equal(t, "0", sleeps[i].To)
		require.Contains(t, sleeps[i].Reason, "cooldownPeriod 5m0s")
	}
	require.NotEmpty(t, byScaler(r, "hpa", "Deployment captions/caption-worker"), "from one to thirty is the real controller's")
}

func TestKEDARunsAreRepeatable(t *testing.T) {
	cores := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(cores)
	var first bytes.Buffer
	require.NoError(t, run(t, "testdata/worker.yaml", windtunnel.Options{}).WriteJSON(&first))
	for _, n := range []int{1, 3} {
		runtime.GOMAXPROCS(n)
		var again bytes.Buffer
		require.NoError(t, run(t, "testdata/worker.yaml", windtunnel.Options{}).WriteJSON(&again))
		require.Equal(t, first.String(), again.String(), "with %d cores", n)
	}
}

// changed is a copy of a file in testdata with some of its text replaced.
func changed(t *testing.T, name string, replace ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	here, err := filepath.Abs("testdata")
	require.NoError(t, err)
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, string(text), replace[i])
	}
	replace = append(replace, "../../../../deploy", filepath.Join(here, "../../../../deploy"))
	path := filepath.Join(t.TempDir(), filepath.Base(name))
	require.NoError(t, os.WriteFile(path, []byte(strings.NewReplacer(replace...).Replace(string(text))), 0o600))
	return path
}

// TestABlindKEDAKeepsTheWorkers loses the figures of the queue in the middle of the first batch, and for longer than the cooldown.
func TestABlindKEDAKeepsTheWorkers(t *testing.T) {
	path := changed(t, "worker.yaml", "duration: 3h", "duration: 80m\nmetrics:\n  gaps:\n    - {from: 24m, until: 60m}")
	r := run(t, path, windtunnel.Options{})
	w := workload(t, r, "captions/caption-worker")
	noJobLost(t, w)
	before := w.Replicas.Current[24]
	require.Greater(t, float64(before), 2.0)
	require.InDelta(t, float64(before), float64(w.Replicas.Current[59]), 0, "currentReplicasIfHigher holds what there is")
	require.Zero(t, w.Replicas.Current[79], "and when it sees again, it scales to none")
}

func TestWhatKEDACannotDoIsSaid(t *testing.T) {
	path := changed(t, "worker.yaml", "duration: 3h", "duration: 30m", "queue: jobs", "queue: others")
	r := run(t, path, windtunnel.Options{})
	require.Contains(t, r.Warnings[0].Where, "deploy/KEDA/caption-worker/scaledobject.yaml:")
	require.Contains(t, r.Warnings[0].Text, `no workload of the scenario has the queue "jobs"`)
	require.Positive(t, float64(workload(t, r, "captions/caption-worker").Replicas.Current[29]), "a failed read is not an empty queue")
}

// TestKEDAWarmsUpBeforeWork: runs begin on a Monday, and in January a quarter to eight in Berlin is a quarter to seven in UTC.
func TestKEDAWarmsUpBeforeWork(t *testing.T) {
	path := changed(t, "worker.yaml", "duration: 3h", "duration: 7h", "KEDA/caption-worker]", "KEDA/caption-worker/cron_prewarm]")
	r := run(t, path, windtunnel.Options{})
	w := workload(t, r, "captions/caption-worker")
	noJobLost(t, w)
	require.Zero(t, w.Replicas.Current[6*60+40])
	require.InDelta(t, 2, float64(w.Replicas.Current[6*60+50]), 0)
	steps := byScaler(r, "keda", "Deployment captions/caption-worker")
	require.Contains(t, steps[len(steps)-1].Reason, "s1-cron-Europe-Berlin")
}
