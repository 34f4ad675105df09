package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/report"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file that somebody has looked at.
func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	require.NoError(t, write(&got))
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// day is a made-up run of six hours with everything in it that a report can show, unknowns included.
func day(policy string, seed uint64) *report.Result {
	axis := report.Axis{Step: 60, Points: 361}
	r := report.New(axis)
	r.Scenario, r.Title, r.Policy, r.Seed = "quiet-day", "A quiet day", policy, seed
	r.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r.Duration, r.Planned = 21600, 21600
	shift := float64(seed%7) / 10
	w := report.NewWorkload(axis, "Deployment", "captions", "gateway-service")
	w.Serves, w.Unit = report.Requests, "request"
	jobs := report.NewWorkload(axis, "Deployment", "captions", "caption-worker")
	jobs.Serves, jobs.Unit = report.Jobs, "segment"
	for i := range axis.Points {
		x := float64(i) / 360
		load := 40 + 30*math.Sin(2*math.Pi*x) + shift
		w.Load[i] = report.Value(load)
		ready := math.Ceil(load / 12)
		w.Replicas.Min[i], w.Replicas.Max[i] = 2, 10
		w.Replicas.Desired[i], w.Replicas.Current[i], w.Replicas.Ready[i] = report.Value(ready), report.Value(ready), report.Value(max(2, ready-float64(i%40/38)))
		if i < 150 || i > 170 { // the metrics pipeline was broken
			w.LatencyP95[i] = report.Value(0.08 + load/900)
			w.CPUUsed[i] = report.Value(load / 30)
		}
		w.CPURequested[i] = report.Value(ready * 0.5)
		away := (x - 0.4) * 9
		backlog := max(0, 500*math.Exp(-away*away)-3)
		jobs.Backlog[i] = report.Value(math.Round(backlog))
		jobs.OldestAge[i] = report.Value(math.Round(backlog * 1.7))
		jobs.Replicas.Ready[i] = report.Value(min(20, math.Ceil(backlog/20)))
		nodes := 3 + math.Ceil(float64(jobs.Replicas.Ready[i])/6)
		r.Cluster.Total[i], r.Cluster.Ready[i] = report.Value(nodes), report.Value(nodes)
		r.Cluster.PendingPods[i] = report.Value(i % 97 / 95)
		r.Cluster.CostPerHour[i] = report.Value(nodes*0.1008 + 0.1)
	}
	w.Latency = report.Latency{Count: 864000, Mean: 0.05, P50: 0.041, P90: 0.088, P95: 0.12 + report.Value(shift)/100, P99: 0.31, Max: 2.4}
	w.Counts.Arrived, w.Counts.Served, w.Counts.Failed, w.Counts.Unfinished = 864000, 863990, 8, 2
	w.Counts.Disrupted, w.Counts.ScaledUp, w.Counts.ScaledDown, w.Counts.OOMKills, w.Counts.Evictions = 3, 4, 4, 0, 1
	w.ReplicaHours = 22.5
	jobs.Latency = report.Latency{Count: 5400, Mean: 90, P50: 41, P90: 300, P95: 610, P99: 800, Max: 851}
	jobs.Counts.Arrived, jobs.Counts.Served, jobs.Counts.Failed, jobs.Counts.Unfinished = 5400, 5400, 0, 0
	jobs.Counts.Disrupted, jobs.Counts.Redelivered = 12, 12
	r.Workloads = append(r.Workloads, w, jobs)
	n := report.NewNodeType(axis, "m7i.large", report.OnDemand)
	n.Hours, n.Price = 24, 0.1008
	n.Cost = n.Hours * n.Price
	copy(n.Count, r.Cluster.Total)
	spot := report.NewNodeType(axis, "c6i.xlarge", report.Spot)
	r.Cluster.Nodes = append(r.Cluster.Nodes, n, spot)
	r.Cluster.Cost.ControlPlane = 0.6
	r.Cluster.Cost.Total = n.Cost + 0.6 + report.Value(shift)
	r.Cluster.NodesAdded, r.Cluster.NodesRemoved = 4, 4
	fast := report.NewSLO("fast answers", "captions/gateway-service", report.LatencyBelow)
	fast.Threshold, fast.Goal, fast.Attained, fast.BadSeconds = 0.5, 0.99, 0.99962, 0
	fresh := report.NewSLO("captions soon", "captions/caption-worker", report.AgeBelow)
	fresh.Threshold, fresh.Goal, fresh.Attained, fresh.BadSeconds = 600, 0.95, 0.914, 1860
	none := report.NewSLO("uploads", "captions/upload-service", report.Success)
	none.Goal = 0.999
	r.SLOs = append(r.SLOs, fast, fresh, none)
	for i := range 15 {
		r.Decisions = append(r.Decisions, report.Decision{
			At: report.Value(600 + 900*i), Scaler: []string{"hpa", "keda", "karpenter"}[i%3], Kind: report.KindReplicas,
			Object: "Deployment captions/gateway-service", From: fmt.Sprint(2 + i%3), To: fmt.Sprint(3 + i%3),
			Reason: "cpu is at 91 % of requests, the target is 60 % <script>alert(1)</script>",
		})
	}
	r.Complaints = append(r.Complaints,
		report.Complaint{Object: "Deployment captions/gateway-service", Text: "failed to compute the number of replicas", Reasons: []string{"failed to get cpu: no metrics", "failed to get cpu: pods might be unready"},
			Count: 80, First: 9000, Last: 10200},
		report.Complaint{Text: "failed to <b>ask</b>", Count: 1, First: 21590, Last: 21590, Lasting: true})
	for _, name := range []string{"gateway-service", "caption-worker", "frontend"} {
		r.NotModelled = append(r.NotModelled, report.Note{Where: "base/" + name + ".yaml:1", Object: "NetworkPolicy captions/" + name, Text: "networks are not modelled"})
	}
	r.NotModelled = append(r.NotModelled, report.Note{Where: "base/gateway.yaml:41 spec.template.spec.topologySpreadConstraints", Text: "pods are spread by the scheduler only when they start"})
	r.Warnings = append(r.Warnings, report.Note{Object: "Deployment captions/upload-service", Text: "no load is given for it, so it was idle"})
	return r
}

func TestSummary(t *testing.T) { golden(t, "summary.txt", day("keda", 1).WriteSummary) }
func TestHTML(t *testing.T)    { golden(t, "report.html", day("keda", 1).WriteHTML) }
func TestCSV(t *testing.T) {
	golden(t, "series.csv", day("keda", 1).WriteCSV)
	golden(t, "decisions.csv", day("keda", 1).WriteDecisionsCSV)
}

func TestOfNothing(t *testing.T) {
	r := report.New(report.Axis{Step: 1, Points: 0})
	r.Scenario = "nothing"
	for _, write := range []func(io.Writer) error{r.WriteSummary, r.WriteHTML, r.WriteCSV, r.WriteDecisionsCSV, r.WriteJSON} {
		var out bytes.Buffer
		require.NoError(t, write(&out))
		require.NotContains(t, out.String(), "NaN")
	}
}

func TestHTMLIsSafeAndStandsAlone(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, day("keda", 1).WriteHTML(&out))
	require.NotContains(t, out.String(), "<script>alert")
	require.NotContains(t, out.String(), "<b>ask")
	require.NotContains(t, out.String(), "NaN")
	for _, outside := range []string{"src=", "href=", "url(", "@import", "fetch("} {
		require.NotContains(t, out.String(), outside)
	}
	require.Equal(t, 1, strings.Count(out.String(), "<script>"))
}

func TestCompare(t *testing.T) {
	var all []*report.Result
	for seed := uint64(1); seed <= 5; seed++ {
		before, after := day("hpa", seed), day("keda", seed)
		after.Cluster.Cost.Total -= 0.4 + report.Value(seed)/100 // cheaper with every seed
		after.Workloads[0].Latency.P99 += 0.1                    // slower with every seed, by the same
		after.Workloads[1].Latency.P95 += report.Value(seed%2)*20 - 10
		all = append(all, before, after)
	}
	c, err := report.Compare(all)
	require.NoError(t, err)
	require.Equal(t, []string{"hpa", "keda"}, c.Policies)
	verdicts := map[string]string{}
	for _, m := range c.Measures {
		verdicts[m.Name] = m.Verdict(1)
	}
	require.Equal(t, report.Better, verdicts["cost"])
	require.Equal(t, report.Worse, verdicts["captions/gateway-service latency p99"])
	require.Equal(t, report.Same, verdicts["captions/caption-worker latency p95"])
	require.Equal(t, report.Same, verdicts["captions/gateway-service failed"])
	golden(t, "compare.txt", c.WriteSummary)
	golden(t, "compare.html", c.WriteHTML)

	alone, err := report.Compare(all[:2])
	require.NoError(t, err)
	require.Equal(t, report.Unclear, alone.Measures[0].Verdict(1))
	var out bytes.Buffer
	require.NoError(t, alone.WriteSummary(&out))
	require.Contains(t, out.String(), "One seed says nothing about chance")
}

// TestIntervals checks an interval against one worked out by hand: 1, 2, 3, 4 has mean 2.5 and standard error 0.6455, and
// the quantile of t with three degrees of freedom is 3.1824.
func TestIntervals(t *testing.T) {
	var all []*report.Result
	for seed := uint64(1); seed <= 4; seed++ {
		r := day("a", seed)
		r.Cluster.Cost.Total = report.Value(seed)
		all = append(all, r)
	}
	c, err := report.Compare(all)
	require.NoError(t, err)
	cost := c.Measures[0].Policies[0]
	require.InDelta(t, 2.5, float64(cost.Mean), 1e-9)
	require.InDelta(t, 2.5-3.1824*0.645497, float64(cost.Low), 1e-4)
	require.InDelta(t, 2.5+3.1824*0.645497, float64(cost.High), 1e-4)
	require.Equal(t, 4, cost.Runs)
}

func TestCompareRefuses(t *testing.T) {
	other := day("b", 1)
	other.Scenario = "another"
	for says, results := range map[string][]*report.Result{
		"nothing to compare":    nil,
		"different scenarios":   {day("a", 1), other},
		"twice with seed 1":     {day("a", 1), day("a", 1)},
		"was not run with seed": {day("a", 1), day("b", 2)},
		"with 1 seeds, a with":  {day("a", 1), day("a", 2), day("b", 1)},
	} {
		_, err := report.Compare(results)
		require.ErrorContains(t, err, says)
	}
}

func TestDurations(t *testing.T) {
	r := report.New(report.Axis{Step: 1, Points: 1})
	for given, want := range map[report.Value]string{0: "0 s", 0.00012: "120 µs", 0.25: "250 ms", 61: "61 s", 600: "10m", 610: "10m10s", 3600: "1h", 36010: "10h0m10s"} {
		r.Duration = given
		var out bytes.Buffer
		require.NoError(t, r.WriteSummary(&out))
		require.Contains(t, out.String(), ", "+want+", seed")
	}
}

func TestSparkline(t *testing.T) {
	u := report.Unknown()
	require.Equal(t, "▁▄█ ", report.Sparkline(report.Series{0, 2, 4, u}, 10))
	require.Equal(t, "▁▁", report.Sparkline(report.Series{0, 0}, 10))
	require.Equal(t, "█▁", report.Sparkline(report.Series{1, 9, 0, 0}, 2), "a peak is not lost")
	require.Empty(t, report.Sparkline(nil, 10))
}
