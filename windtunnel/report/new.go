package report

import (
	"fmt"
	"math"
)

// New is a Result of which nothing is known yet. Workloads, node types and SLOs that are added to it come from NewWorkload,
// NewNodeType and NewSLO for the same reason.
func New(axis Axis) *Result {
	n := axis.Points
	return &Result{
		Format: Format, Duration: Unknown(), Planned: Unknown(), Axis: axis,
		Workloads: []Workload{}, SLOs: []SLO{}, Decisions: []Decision{}, NotModelled: []Note{}, Warnings: []Note{}, Complaints: []Complaint{},
		Cluster: Cluster{
			Nodes: []NodeType{}, Waits: []Wait{}, Total: UnknownSeries(n), Ready: UnknownSeries(n), PendingPods: UnknownSeries(n),
			CPUAllocatable: UnknownSeries(n), CPURequested: UnknownSeries(n),
			MemoryAllocatable: UnknownSeries(n), MemoryRequested: UnknownSeries(n), CostPerHour: UnknownSeries(n),
			Cost:       Cost{Nodes: Unknown(), ControlPlane: Unknown(), Total: Unknown()},
			NodesAdded: Unknown(), NodesRemoved: Unknown(), SpotInterruptions: Unknown(),
		},
	}
}

// NewWorkload is a workload of which nothing is known yet.
func NewWorkload(axis Axis, kind, namespace, name string) Workload {
	n := axis.Points
	return Workload{
		Kind: kind, Namespace: namespace, Name: name,
		Load: UnknownSeries(n), Backlog: UnknownSeries(n), OldestAge: UnknownSeries(n), LatencyP95: UnknownSeries(n),
		CPUUsed: UnknownSeries(n), CPURequested: UnknownSeries(n),
		MemoryUsed: UnknownSeries(n), MemoryRequested: UnknownSeries(n),
		Replicas: Replicas{
			Ready: UnknownSeries(n), Current: UnknownSeries(n), Desired: UnknownSeries(n),
			Min: UnknownSeries(n), Max: UnknownSeries(n),
		},
		Latency: NewLatency(), Waiting: NewLatency(),
		Counts: Counts{
			Arrived: Unknown(), Served: Unknown(), Failed: Unknown(), Unfinished: Unknown(), TimedOut: Unknown(),
			Retried: Unknown(), Disrupted: Unknown(), Redelivered: Unknown(), OOMKills: Unknown(), Evictions: Unknown(),
			PodsStarted: Unknown(), PodsStopped: Unknown(), ScaledUp: Unknown(), ScaledDown: Unknown(),
		},
		ReplicaHours: Unknown(),
	}
}

// NewLatency is a distribution of which nothing is known yet.
func NewLatency() Latency {
	return Latency{
		Count: Unknown(), Mean: Unknown(), P50: Unknown(), P90: Unknown(), P95: Unknown(), P99: Unknown(), Max: Unknown(),
	}
}

// NewNodeType is a type of node of which nothing is known yet.
func NewNodeType(axis Axis, instanceType, capacity string) NodeType {
	return NodeType{
		Type: instanceType, Capacity: capacity, Count: UnknownSeries(axis.Points),
		Hours: Unknown(), Price: Unknown(), Cost: Unknown(),
	}
}

// NewSLO is a promise of which nothing is known yet.
func NewSLO(name, workload, measure string) SLO {
	return SLO{
		Name: name, Workload: workload, Measure: measure,
		Threshold: Unknown(), Goal: Unknown(), Attained: Unknown(), BadSeconds: Unknown(),
	}
}

// Check finds what cannot be in an honest result: series of another length than the axis, values that are infinite, load
// that appeared or vanished, costs that are not hours times price. All findings are returned.
func (r *Result) Check() []error {
	var found []error
	say := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	if r.Axis.Points < 0 || !(r.Axis.Step > 0) {
		say("the axis has %d points of %v seconds", r.Axis.Points, float64(r.Axis.Step))
	}
	eachSeries(r, func(name string, s Series) {
		if len(s) != 0 && len(s) != r.Axis.Points {
			say("%s has %d points, the axis has %d", name, len(s), r.Axis.Points)
		}
		for i, v := range s {
			if math.IsInf(float64(v), 0) {
				say("%s is infinite at point %d", name, i)
				return
			}
		}
	})
	for _, w := range r.Workloads {
		c := w.Counts
		if sum := c.Served + c.Failed + c.Unfinished; sum.Known() && c.Arrived.Known() && sum != c.Arrived {
			say("%s: %s arrived, but %s are accounted for", w.ID(), c.Arrived.text(), sum.text())
		}
	}
	var nodes float64
	for _, t := range r.Cluster.Nodes {
		if product := t.Hours * t.Price; product.Known() && !near(float64(product), float64(t.Cost)) {
			say("%s %s: %s hours at %s are not %s", t.Capacity, t.Type, t.Hours.text(), t.Price.text(), t.Cost.text())
		}
		nodes += float64(t.Cost)
	}
	c := r.Cluster.Cost
	if c.Nodes.Known() && !math.IsNaN(nodes) && !near(nodes, float64(c.Nodes)) {
		say("the nodes cost %s together, but %s by type", c.Nodes.text(), Value(nodes).text())
	}
	if sum := c.Nodes + c.ControlPlane; sum.Known() && !near(float64(sum), float64(c.Total)) {
		say("nodes and control plane cost %s, the total is %s", sum.text(), c.Total.text())
	}
	return found
}

func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-6*math.Max(1, math.Max(math.Abs(a), math.Abs(b)))
}

// ID is namespace/name, which is how SLOs name a workload.
func (w Workload) ID() string {
	if w.Namespace == "" {
		return w.Name
	}
	return w.Namespace + "/" + w.Name
}

// eachSeries visits every series in a fixed order.
func eachSeries(r *Result, visit func(name string, s Series)) {
	c := r.Cluster
	for _, s := range []struct {
		name   string
		series Series
	}{
		{"nodes_total", c.Total}, {"nodes_ready", c.Ready}, {"pending_pods", c.PendingPods},
		{"cpu_allocatable_cores", c.CPUAllocatable}, {"cpu_requested_cores", c.CPURequested},
		{"memory_allocatable_bytes", c.MemoryAllocatable}, {"memory_requested_bytes", c.MemoryRequested},
		{"cost_per_hour", c.CostPerHour},
	} {
		visit(s.name, s.series)
	}
	for _, t := range c.Nodes {
		visit("nodes "+t.Capacity+" "+t.Type, t.Count)
	}
	for _, w := range r.Workloads {
		for _, s := range []struct {
			name   string
			series Series
		}{
			{"load_per_second", w.Load}, {"replicas_ready", w.Replicas.Ready}, {"replicas_current", w.Replicas.Current},
			{"replicas_desired", w.Replicas.Desired}, {"replicas_min", w.Replicas.Min}, {"replicas_max", w.Replicas.Max},
			{"backlog", w.Backlog}, {"oldest_age_seconds", w.OldestAge}, {"latency_p95_seconds", w.LatencyP95},
			{"cpu_used_cores", w.CPUUsed}, {"cpu_requested_cores", w.CPURequested},
			{"memory_used_bytes", w.MemoryUsed}, {"memory_requested_bytes", w.MemoryRequested},
		} {
			visit(w.ID()+" "+s.name, s.series)
		}
	}
}
