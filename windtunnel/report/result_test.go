package report_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/report"
)

// sameValue compares what is left of a value after it was written.
var sameValue = cmp.Comparer(func(a, b report.Value) bool {
	return !a.Known() && !b.Known() || math.Abs(float64(a-b)) < 1e-8
})

func TestUnknownIsNullAndNeverZero(t *testing.T) {
	axis := report.Axis{Step: 15, Points: 3}
	r := report.New(axis)
	r.Workloads = append(r.Workloads, report.NewWorkload(axis, "Deployment", "captions", "worker"))
	r.SLOs = append(r.SLOs, report.NewSLO("fast", "captions/worker", report.LatencyBelow))
	r.Cluster.Nodes = append(r.Cluster.Nodes, report.NewNodeType(axis, "m7i.large", report.Spot))
	var out bytes.Buffer
	require.NoError(t, r.WriteJSON(&out))

	var tree any
	require.NoError(t, json.Unmarshal(out.Bytes(), &tree))
	zeros := map[string]bool{}
	collectZeros("", tree, zeros)
	require.Equal(t, map[string]bool{".seed": true}, zeros, "a fresh result knows nothing but what it was made with")
	require.Equal(t, report.Unclear, r.SLOs[0].Verdict())
}

// collectZeros notes the path of every number 0 in a JSON document.
func collectZeros(path string, tree any, into map[string]bool) {
	switch node := tree.(type) {
	case map[string]any:
		for name, child := range node {
			collectZeros(path+"."+name, child, into)
		}
	case []any:
		for _, child := range node {
			collectZeros(path+"[]", child, into)
		}
	case float64:
		if node == 0 {
			into[path] = true
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	axis := report.Axis{Step: 15, Points: 2}
	r := report.New(axis)
	w := report.NewWorkload(axis, "Deployment", "captions", "worker")
	w.Load = report.Series{1.0 / 3, report.Unknown()}
	w.Counts.Arrived = 123456789012
	r.Workloads = append(r.Workloads, w)
	r.Decisions = append(r.Decisions, report.Decision{At: 15, Scaler: "hpa", Kind: report.KindReplicas, From: "1", To: "2", Reason: "cpu <90 %> & more"})

	var first, second bytes.Buffer
	require.NoError(t, r.WriteJSON(&first))
	require.Contains(t, first.String(), `"load_per_second":[0.333333333,null]`)
	require.Contains(t, first.String(), `"arrived":123456789012`)
	back, err := report.ReadJSON(bytes.NewReader(first.Bytes()))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(r, back, sameValue))
	require.NoError(t, back.WriteJSON(&second))
	require.Equal(t, first.String(), second.String())
}

func TestReadJSONRefuses(t *testing.T) {
	for name, c := range map[string]struct{ in, says string }{
		"not JSON":        {"hello", "not a result of windtunnel"},
		"unknown field":   {`{"format":1,"colour":"red"}`, "unknown field"},
		"another version": {`{"format":2}`, "format 2"},
		"wrong length":    {`{"format":1,"axis":{"step_seconds":1,"points":2},"cluster":{"total":[1]}}`, "has 1 points"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := report.ReadJSON(strings.NewReader(c.in))
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestCheckFindsContradictions(t *testing.T) {
	axis := report.Axis{Step: 1, Points: 1}
	r := report.New(axis)
	require.Empty(t, r.Check())

	w := report.NewWorkload(axis, "Deployment", "", "web")
	w.Counts.Arrived, w.Counts.Served, w.Counts.Failed, w.Counts.Unfinished = 10, 7, 1, 1
	w.Load = report.Series{report.Value(math.Inf(1))}
	r.Workloads = append(r.Workloads, w)
	n := report.NewNodeType(axis, "m5.large", report.OnDemand)
	n.Hours, n.Price, n.Cost = 10, 0.096, 0.97
	r.Cluster.Nodes = append(r.Cluster.Nodes, n)
	r.Cluster.Cost = report.Cost{Nodes: 0.96, ControlPlane: 1, Total: 2}
	var said []string
	for _, err := range r.Check() {
		said = append(said, err.Error())
	}
	require.Equal(t, []string{
		"web load_per_second is infinite at point 0",
		"web: 10 arrived, but 9 are accounted for",
		"on-demand m5.large: 10 hours at 0.096 are not 0.97",
		"the nodes cost 0.96 together, but 0.97 by type",
		"nodes and control plane cost 1.96, the total is 2",
	}, said)
}

func TestVerdict(t *testing.T) {
	s := report.SLO{Goal: 0.99, Attained: 0.99}
	require.Equal(t, report.Met, s.Verdict())
	s.Attained = 0.98
	require.Equal(t, report.Missed, s.Verdict())
}
