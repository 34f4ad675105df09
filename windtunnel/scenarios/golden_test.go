package scenarios_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenarios"
	"k8s-scalers/windtunnel/windtunneltest"
)

var update = flag.Bool("update", false, "write the reports in testdata anew, to be reviewed")

// policies are what the platform is usually deployed with; the folders are below deploy.
var policies = []string{
	"overlays/eks", "KEDA/caption-worker",
	"HPA/gateway-service/resource-metric/cpu", "HPA/auth-service/resource-metric/cpu", "HPA/upload-service/resource-metric/cpu",
	"HPA/caption-service/resource-metric/cpu",
	"VPA/gateway-service/just_recommend", "VPA/auth-service/just_recommend", "VPA/upload-service/just_recommend",
	"VPA/caption-service/just_recommend", "VPA/caption-worker/just_recommend",
}

// goldens are the scenarios that ship, each for as long as it takes until what it is about has happened.
var goldens = []struct {
	scenario, name string
	duration       time.Duration
	more           []string
}{
	{"quiet-day", "quiet-day", 8 * time.Hour, nil},
	{"quiet-day", "quiet-day-karpenter", 3 * time.Hour, []string{"Karpenter"}},
	{"product-launch", "product-launch", 11 * time.Hour, nil},
	{"product-launch", "product-launch-karpenter", 90 * time.Minute, []string{"Karpenter"}},
	{"night-batch", "night-batch", 5 * time.Hour, nil},
	{"flash-crowd", "flash-crowd", 9 * time.Hour, nil},
	{"spot-interruptions", "spot-interruptions", 6 * time.Hour, []string{"CAS"}},
	{"spot-interruptions", "spot-interruptions-karpenter", 7 * time.Hour, []string{"Karpenter"}},
	{"slow-image-pull", "slow-image-pull", 3 * time.Hour, nil},
	{"broken-metrics", "broken-metrics", 12 * time.Hour, nil},
}

// TestGoldenReports holds what the scenarios say to reports that somebody has looked at. When they change, look at the difference:
// go test ./scenarios -update, then git diff.
func TestGoldenReports(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the reports are those of amd64: other architectures may fuse a product with a sum, which rounds otherwise and in the end decides otherwise")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // As the program does.
	covered := map[string]bool{}
	for _, g := range goldens {
		covered[g.scenario] = true
		t.Run(g.name, func(t *testing.T) {
			s, err := scenarios.Read(g.scenario)
			require.NoError(t, err)
			options := windtunnel.Options{Duration: g.duration}
			for _, folder := range slices.Concat(policies, g.more) {
				options.Manifests = append(options.Manifests, filepath.Join("../../deploy", folder))
			}
			result := windtunneltest.RunScenario(t, s, options)
			require.Empty(t, result.Check())
			summary, err := json.MarshalIndent(summarize(result), "", "  ")
			require.NoError(t, err)
			summary = append(summary, '\n')
			path := filepath.Join("testdata", g.name+".json")
			if *update {
				require.NoError(t, os.WriteFile(path, summary, 0o600))
			}
			golden, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(golden), string(summary), "if this is better, run the test with -update and review the difference")
		})
	}
	for _, name := range scenarios.Names() {
		require.True(t, covered[name], "no golden report of %s", name)
	}
}

// summary is what people compare: small enough to be read as a difference.
type summary struct {
	Duration  report.Value               `json:"duration_seconds"`
	Workloads map[string]workloadSummary `json:"workloads"`
	SLOs      map[string]report.Value    `json:"slos_attained"`
	Nodes     map[string]report.Value    `json:"node_hours"`
	Cost      report.Cost                `json:"cost"`
	Changes   map[string]report.Value    `json:"nodes"`
	// Decisions counts those of each scaler; First are the beginnings of the story.
	Decisions   map[string]int `json:"decisions"`
	First       []string       `json:"first_decisions"`
	Waits       int            `json:"reasons_to_wait"`
	Warnings    []string       `json:"warnings"`
	Complaints  []string       `json:"complaints"`
	NotModelled int            `json:"not_modelled"`
}

type workloadSummary struct {
	Counts       report.Counts  `json:"counts"`
	Latency      report.Latency `json:"latency_seconds"`
	ReplicaHours report.Value   `json:"replica_hours"`
	Most         report.Value   `json:"most_replicas"`
	// Replicas are those that were ready each half hour.
	Replicas string `json:"replicas_each_half_hour"`
}

func summarize(r *report.Result) summary {
	s := summary{
		Duration: r.Duration, Workloads: map[string]workloadSummary{}, SLOs: map[string]report.Value{}, Nodes: map[string]report.Value{},
		Cost: r.Cluster.Cost, Decisions: map[string]int{}, Waits: len(r.Cluster.Waits), NotModelled: len(r.NotModelled),
		Changes: map[string]report.Value{
			"added": r.Cluster.NodesAdded, "removed": r.Cluster.NodesRemoved, "interrupted": r.Cluster.SpotInterruptions, "most": r.Cluster.Total.Max(),
		},
	}
	for _, w := range r.Workloads {
		each := workloadSummary{Counts: w.Counts, Latency: w.Latency, ReplicaHours: w.ReplicaHours, Most: w.Replicas.Current.Max()}
		half := int(30 * 60 / r.Axis.Step.Or(60))
		for i := 0; i < len(w.Replicas.Ready); i += half {
			if ready := w.Replicas.Ready[i]; ready.Known() {
				each.Replicas += strconv.Itoa(int(ready)) + " "
			}
		}
		s.Workloads[w.ID()] = each
	}
	for _, slo := range r.SLOs {
		s.SLOs[slo.Name+" of "+slo.Workload] = slo.Attained
	}
	for _, n := range r.Cluster.Nodes {
		s.Nodes[n.Type+" "+n.Capacity] = n.Hours
	}
	for _, d := range r.Decisions {
		s.Decisions[d.Scaler]++
		if len(s.First) < 10 {
			s.First = append(s.First, fmt.Sprintf("%.0f s: %s: %s %s -> %s: %s", float64(d.At), d.Scaler, d.Object, d.From, d.To, d.Reason))
		}
	}
	for _, w := range r.Warnings {
		s.Warnings = append(s.Warnings, w.String())
	}
	for _, c := range r.Complaints {
		s.Complaints = append(s.Complaints, fmt.Sprintf("%.0f s to %.0f s, %.0f of them: %s: %s: %s",
			float64(c.First), float64(c.Last), float64(c.Count), c.Object, c.Text, strings.Join(c.Reasons, "; or: ")))
	}
	return s
}
