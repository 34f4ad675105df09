package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/cloud"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
	"k8s-scalers/windtunnel/windtunneltest"
)

// TestNodeHoursTimesPriceIsTheCost holds the bill to the number of nodes, second by second.
func TestNodeHoursTimesPriceIsTheCost(t *testing.T) {
	r := run(t, "testdata/nodes.yaml", windtunnel.Options{})
	c := r.Cluster
	require.Len(t, c.Nodes, 2)
	var total float64
	for _, n := range c.Nodes {
		instance, err := cloud.Find(n.Type)
		require.NoError(t, err)
		hours := 0.0
		for _, count := range n.Count[:len(n.Count)-1] {
			require.True(t, count.Known())
			hours += float64(count) * r.Axis.Step.Or(0) / 3600
		}
		// Between two points of the series a node may come and go, a minute of one at each change.
		require.InDelta(t, hours, float64(n.Hours), float64(c.NodesAdded+c.NodesRemoved)/60, n.Type)
		require.InDelta(t, float64(n.Hours)*float64(n.Price), float64(n.Cost), 1e-9, n.Type)
		if n.Capacity == report.OnDemand {
			require.InDelta(t, 12, float64(n.Hours), 1e-9, "two nodes for six hours")
			require.InDelta(t, instance.Price, float64(n.Price), 1e-12)
		} else {
			require.Less(t, float64(n.Price), instance.Price)
		}
		total += float64(n.Cost)
	}
	require.InDelta(t, total, float64(c.Cost.Nodes), 1e-9)
	require.InDelta(t, 0.6, float64(c.Cost.ControlPlane), 1e-9, "six hours")
	require.InDelta(t, total+0.6, float64(c.Cost.Total), 1e-9)
}

func TestWorkIsConservedWhileNodesAreTakenAway(t *testing.T) {
	heard := run(t, "testdata/nodes.yaml", windtunnel.Options{})
	unheard := runChanged(t, "testdata/nodes.yaml", func(s *scenario.Scenario) { s.Cluster.Spot.IgnoreNotice = true })
	for _, r := range []*report.Result{heard, unheard} {
		require.Empty(t, r.Check())
		c := r.Workloads[0].Counts
		require.InDelta(t, float64(c.Arrived), float64(c.Served+c.Failed+c.Unfinished), 0)
		require.GreaterOrEqual(t, float64(r.Cluster.SpotInterruptions), 3.0)
		require.InDelta(t, float64(r.Cluster.SpotInterruptions), float64(r.Cluster.NodesRemoved), 0)
		for i, ready := range r.Cluster.Ready {
			require.LessOrEqual(t, float64(ready), float64(r.Cluster.Total[i]))
			require.LessOrEqual(t, float64(r.Cluster.CPURequested[i]), float64(r.Cluster.CPUAllocatable[i]))
		}
	}
	require.Positive(t, float64(heard.Workloads[0].Counts.Evictions))
	require.Positive(t, float64(unheard.Workloads[0].Counts.Disrupted), "work that was in pods when their node went")
	require.Zero(t, float64(unheard.Workloads[0].Counts.Evictions))
	require.Less(t, float64(heard.Workloads[0].Counts.Disrupted), float64(unheard.Workloads[0].Counts.Disrupted))
}

func TestPodsThatFitNoNode(t *testing.T) {
	r := run(t, "testdata/crowded.yaml", windtunnel.Options{})
	var said []string
	for _, w := range r.Warnings {
		said = append(said, w.String())
	}
	all := strings.Join(said, "\n")
	require.Contains(t, all, "crowded.yaml:39: Deployment shop/huge: its pods can never run: they fit no node, even an empty one. m7i.large (m7i.large): ")
	require.Contains(t, all, "insufficient cpu (3000m requested, 1930m allocatable)")
	require.Contains(t, all, "insufficient ephemeral-storage (51200Mi requested, 17408Mi allocatable)")
	require.Contains(t, all, "didn't match Pod's node affinity/selector")
	require.NotContains(t, all, "Deployment shop/web: its pods can never run", "some do")

	require.InDelta(t, 2, float64(r.Cluster.PendingPods[10]), 0, "one that does not fit any node, and one for which there is no room")
	require.InDelta(t, 20*60, waited(r, "shop/web", "Insufficient cpu"), 90, "one pod, for as long as the run")
	require.InDelta(t, 1, float64(r.Workloads[slices.IndexFunc(r.Workloads, func(w report.Workload) bool { return w.Name == "important" })].Replicas.Ready[10]), 0)
}

// waited is how many seconds pods of a workload waited for a reason.
func waited(r *report.Result, workload, reason string) float64 {
	var seconds float64
	for _, w := range r.Cluster.Waits {
		if w.Workload == workload && strings.Contains(w.Reason, reason) {
			seconds += float64(w.PodSeconds)
		}
	}
	return seconds
}

func TestClusterAutoscalerGrowsAndShrinksAGroup(t *testing.T) {
	r := run(t, "testdata/groups.yaml", windtunnel.Options{})
	c := r.Cluster
	require.Greater(t, float64(c.Total.Max()), 4.0, "about 7 cores at the crest, at 70 %% of half a core each")
	crest, trough := float64(c.Total.Max()), float64(c.Total[len(c.Total)-1].Or(0))
	require.Less(t, trough, crest)
	var up, down int
	for _, d := range r.Decisions {
		if d.Scaler != "cluster-autoscaler" {
			continue
		}
		require.NotEmpty(t, d.Reason)
		if strings.HasPrefix(d.Object, "node group general") {
			up++
		} else if d.To == "removed" {
			down++
		}
	}
	require.Positive(t, up)
	require.Positive(t, down)
	require.InDelta(t, float64(c.NodesRemoved), float64(down), 0)
	var notes []string
	for _, n := range r.NotModelled {
		notes = append(notes, n.Text)
	}
	require.Contains(t, strings.Join(notes, "\n"), "the flag --max-pods-per-node has no effect")

	// A node that was asked for comes after its boot, not before.
	require.GreaterOrEqual(t, float64(c.Total.Max()), float64(c.Ready.Max()))
	for i := range c.Total {
		require.LessOrEqual(t, float64(c.Ready[i]), float64(c.Total[i]))
	}
}

// runChanged runs a scenario with changes.
func runChanged(t *testing.T, path string, change func(*scenario.Scenario)) *report.Result {
	t.Helper()
	s, err := scenario.Read(path)
	require.NoError(t, err)
	change(s)
	return windtunneltest.RunScenario(t, s, windtunnel.Options{})
}

func TestKarpenterMakesNodesAndConsolidatesThem(t *testing.T) {
	r := run(t, "testdata/pools.yaml", windtunnel.Options{})
	for _, w := range r.Warnings {
		t.Log(w.Where, w.Text)
	}
	c := r.Cluster
	require.Positive(t, float64(c.NodesAdded))
	require.Positive(t, float64(c.NodesRemoved))
	require.InDelta(t, float64(c.Total[len(c.Total)-1]), float64(c.Total[0]+c.NodesAdded-c.NodesRemoved), 0)
	var asked, disrupted, interrupted int
	for _, d := range r.Decisions {
		switch {
		case d.Scaler == "spot":
			interrupted++
		case d.Scaler != "karpenter":
		case d.To == "asked for":
			asked++
		default:
			disrupted++
			require.Contains(t, d.Reason, "saves $")
		}
	}
	require.Positive(t, asked)
	require.Positive(t, disrupted)
	require.Positive(t, interrupted)
	require.Positive(t, float64(r.Workloads[0].Counts.Evictions))
	for _, n := range c.Nodes {
		require.Equal(t, report.Spot, n.Capacity, "spot is cheaper, and the pool allows it")
		require.NotContains(t, n.Type, "4xlarge")
	}
	require.InDelta(t, 0, float64(c.PendingPods[len(c.PendingPods)-1]), 2)
	require.Empty(t, r.Warnings)
}

// TestWhatKarpenterLeavesToChanceIsSaid: where a pod goes among equally good values of what pods are to be apart or together by. Zones are one
// only; the rest is told.
func TestWhatKarpenterLeavesToChanceIsSaid(t *testing.T) {
	said := ""
	options := windtunnel.Options{Duration: time.Minute, Manifests: []string{"testdata/spread", "testdata/chance", "testdata/pools"}}
	for _, note := range run(t, "testdata/mixed.yaml", options).NotModelled {
		said += note.Where + ": " + note.Object + ": " + note.Text + "\n"
	}
	require.Contains(t, said, "all nodes are in zone us-east-1a")
	for _, key := range []string{"karpenter.sh/capacity-type", "kubernetes.io/arch"} {
		require.Contains(t, said, "chance.yaml:8: Deployment shop/idle: Karpenter leaves it to chance where the next pod goes among equally good values of "+key)
	}
	require.NotContains(t, said, "values of topology.kubernetes.io/zone")
}

// TestDaemonSetsTakeTheirPartOfEachNode: two nodes of 1930m, on each of which a DaemonSet takes a core, have room for one pod of 900m each.
func TestDaemonSetsTakeTheirPartOfEachNode(t *testing.T) {
	for daemons, want := range map[string]struct{ requested, pending float64 }{
		"testdata/daemons/web.yaml": {3 * 0.9, 0},
		"testdata/daemons":          {2*1 + 2*0.9, 1},
	} {
		r := run(t, "testdata/daemons.yaml", windtunnel.Options{Manifests: []string{daemons}})
		last := len(r.Cluster.PendingPods) - 1
		require.InDelta(t, want.requested, float64(r.Cluster.CPURequested[last]), 1e-9, daemons)
		require.InDelta(t, want.pending, float64(r.Cluster.PendingPods[last]), 0, daemons)
	}
}

// TestKarpenterAndClusterAutoscalerCountDaemonSets: the nodes that they make are large enough for those, too.
func TestKarpenterAndClusterAutoscalerCountDaemonSets(t *testing.T) {
	agent := changed(t, "daemons/agent.yaml", `cpu: "1"`, "cpu: 500m")
	for _, path := range []string{"testdata/pools.yaml", "testdata/groups.yaml"} {
		s, err := scenario.Read(path)
		require.NoError(t, err)
		without := run(t, path, windtunnel.Options{Duration: time.Hour})
		with := run(t, path, windtunnel.Options{Duration: time.Hour, Manifests: append(s.ManifestPaths(), agent)})
		last := len(with.Cluster.PendingPods) - 1
		require.Greater(t, float64(with.Cluster.CPUAllocatable[last]), float64(without.Cluster.CPUAllocatable[last]), path)
		require.Greater(t, float64(with.Cluster.Cost.Nodes), float64(without.Cluster.Cost.Nodes), path)
	}
}
