package report

import (
	"slices"
	"strings"
	"time"
)

// Format is the version of the JSON that this package writes and reads.
const Format = 1

// Result is what one run yields. It holds slices only, in the order in which the engine met things, so that the same
// scenario and seed give the same bytes.
type Result struct {
	Format   int    `json:"format"`
	Scenario string `json:"scenario"`
	// Title is one line for people; Policy is the name of the set of manifests that was run, where there are several.
	Title  string `json:"title,omitempty"`
	Policy string `json:"policy,omitempty"`
	Seed   uint64 `json:"seed"`
	// Start is the virtual time at which the run began. All other times are seconds after it.
	Start time.Time `json:"start"`
	// Duration is how much virtual time was run, Planned how much was asked for. They differ where Interrupted is true.
	Duration    Value `json:"duration_seconds"`
	Planned     Value `json:"planned_seconds"`
	Interrupted bool  `json:"interrupted"`

	Axis      Axis       `json:"axis"`
	Workloads []Workload `json:"workloads"`
	Cluster   Cluster    `json:"cluster"`
	SLOs      []SLO      `json:"slos"`
	Decisions []Decision `json:"decisions"`
	// NotModelled lists what stands in the manifests and had no effect on the run.
	NotModelled []Note `json:"not_modelled"`
	// Warnings lists policies that can never work, and what was wrong at the end of the run. Complaints lists what controllers met
	// on the way, most of which passes: there are no metrics of pods that have just started, for example.
	Warnings   []Note      `json:"warnings"`
	Complaints []Complaint `json:"complaints"`
}

// Axis is the time axis that all series share: point i is at i×Step seconds after the start. A series holds the state at
// the point (replicas, backlog), or the mean over the step that ends there (load, latency).
type Axis struct {
	Step   Value `json:"step_seconds"`
	Points int   `json:"points"`
}

// At is the time of point i in seconds.
func (a Axis) At(i int) float64 { return float64(i) * float64(a.Step) }

// Workload is what happened to one scaled object, usually a Deployment.
type Workload struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Serves is what the workload does in the model, Requests or Jobs, or empty where it has no load of its own.
	Serves string `json:"serves,omitempty"`
	// Unit names one piece of load for people: request, segment, message.
	Unit string `json:"unit,omitempty"`

	Load     Series   `json:"load_per_second"`
	Replicas Replicas `json:"replicas"`
	// Backlog is what has arrived and is neither done nor given up: waiting or in work. OldestAge is the age in seconds of
	// the oldest of it, 0 when there is none.
	Backlog   Series `json:"backlog"`
	OldestAge Series `json:"oldest_age_seconds"`
	// LatencyP95 is of what finished within each step; unknown where nothing did.
	LatencyP95 Series `json:"latency_p95_seconds"`
	// CPU and memory that all pods of the workload used and requested: cores and bytes.
	CPUUsed         Series `json:"cpu_used_cores"`
	CPURequested    Series `json:"cpu_requested_cores"`
	MemoryUsed      Series `json:"memory_used_bytes"`
	MemoryRequested Series `json:"memory_requested_bytes"`

	// Latency is from arrival to the end of service, of everything that was served; Waiting the part before service began.
	Latency Latency `json:"latency"`
	Waiting Latency `json:"waiting"`
	Counts  Counts  `json:"counts"`
	// ReplicaHours is the integral of the replicas that existed.
	ReplicaHours Value `json:"replica_hours"`
	// Recommendations are those of VerticalPodAutoscalers.
	Recommendations []Recommendation `json:"recommendations,omitempty"`
}

// What a workload serves.
const (
	Requests = "requests"
	Jobs     = "jobs"
)

// Replicas is how many pods there were (ready), how many existed whether ready or not, how many the scaler asked for, and
// between which limits it might.
type Replicas struct {
	Ready   Series `json:"ready"`
	Current Series `json:"current"`
	Desired Series `json:"desired"`
	Min     Series `json:"min"`
	Max     Series `json:"max"`
}

// Latency is a distribution in seconds.
type Latency struct {
	Count Value `json:"count"`
	Mean  Value `json:"mean"`
	P50   Value `json:"p50"`
	P90   Value `json:"p90"`
	P95   Value `json:"p95"`
	P99   Value `json:"p99"`
	Max   Value `json:"max"`
}

// Counts is what became of the load of a workload and of its pods. Arrived is Served + Failed + Unfinished; a run that
// does not add up is a mistake of the engine, and Check says so.
type Counts struct {
	Arrived Value `json:"arrived"`
	Served  Value `json:"served"`
	// Failed were given up: timed out, refused, or out of retries. Unfinished were waiting or in work at the end.
	Failed     Value `json:"failed"`
	Unfinished Value `json:"unfinished"`
	TimedOut   Value `json:"timed_out"`
	Retried    Value `json:"retried"`
	// Disrupted is the work that a pod had in hand when it was killed, whether it was tried again or not; Redelivered is
	// the jobs among it that the queue gave to another worker.
	Disrupted   Value `json:"disrupted"`
	Redelivered Value `json:"redelivered"`

	OOMKills    Value `json:"oom_kills"`
	Evictions   Value `json:"evictions"`
	PodsStarted Value `json:"pods_started"`
	PodsStopped Value `json:"pods_stopped"`
	// ScaledUp and ScaledDown count changes of the desired number of replicas.
	ScaledUp   Value `json:"scaled_up"`
	ScaledDown Value `json:"scaled_down"`
}

// Cluster is the nodes of a run and what they cost.
type Cluster struct {
	Nodes []NodeType `json:"nodes"`
	// Total is all nodes that are paid for, Ready those that can run pods. PendingPods is the pods without a node.
	Total       Series `json:"total"`
	Ready       Series `json:"ready"`
	PendingPods Series `json:"pending_pods"`
	// CPU and memory that pods could use and have requested.
	CPUAllocatable    Series `json:"cpu_allocatable_cores"`
	CPURequested      Series `json:"cpu_requested_cores"`
	MemoryAllocatable Series `json:"memory_allocatable_bytes"`
	MemoryRequested   Series `json:"memory_requested_bytes"`
	// CostPerHour is what the nodes and the control plane cost at each point.
	CostPerHour Series `json:"cost_per_hour"`

	// Waits says why pods had no node.
	Waits []Wait `json:"waits"`

	Cost Cost `json:"cost"`
	// NodesAdded, NodesRemoved and SpotInterruptions count nodes; an interrupted node is one that was removed, too.
	NodesAdded        Value `json:"nodes_added"`
	NodesRemoved      Value `json:"nodes_removed"`
	SpotInterruptions Value `json:"spot_interruptions"`
}

// Wait is the time that pods of one workload were without a node, for one reason.
type Wait struct {
	// Workload is namespace/name.
	Workload string `json:"workload"`
	// Reason is in the words of kube-scheduler.
	Reason string `json:"reason"`
	// PodSeconds is the time of all pods together.
	PodSeconds Value `json:"pod_seconds"`
}

// NodeType is the nodes of one instance type and way of paying.
type NodeType struct {
	Type string `json:"type"`
	// Capacity is OnDemand or Spot.
	Capacity string `json:"capacity"`
	Count    Series `json:"count"`
	Hours    Value  `json:"hours"`
	// Price is dollars an hour, the mean over the hours that were used where it moves. Cost is Hours×Price.
	Price Value `json:"price_per_hour"`
	Cost  Value `json:"cost"`
}

// Ways of paying for a node.
const (
	OnDemand = "on-demand"
	Spot     = "spot"
)

// Cost is in dollars over the whole run.
type Cost struct {
	Nodes        Value `json:"nodes"`
	ControlPlane Value `json:"control_plane"`
	Total        Value `json:"total"`
}

// SLO is a promise of the scenario and how it was kept.
type SLO struct {
	Name string `json:"name"`
	// Workload is namespace/name.
	Workload string `json:"workload"`
	// Measure is LatencyBelow, AgeBelow or Success; Threshold is its seconds, unknown for Success.
	Measure   string `json:"measure"`
	Threshold Value  `json:"threshold_seconds"`
	// Goal is the fraction that was promised, Attained the fraction that was kept; unknown where there was no load.
	Goal     Value `json:"goal"`
	Attained Value `json:"attained"`
	// BadSeconds is how much of the run lay in steps that missed the goal.
	BadSeconds Value `json:"bad_seconds"`
}

// What an SLO measures: the share of work that took less than the threshold, the share of time in which the oldest work
// was younger than the threshold, or the share of work that was not given up.
const (
	LatencyBelow = "latency_below"
	AgeBelow     = "age_below"
	Success      = "success"
)

// Verdict of an SLO.
const (
	Met     = "met"
	Missed  = "missed"
	Unclear = "unknown"
)

// Verdict is Met, Missed, or Unclear where nothing was measured.
func (s SLO) Verdict() string {
	switch {
	case !s.Attained.Known() || !s.Goal.Known():
		return Unclear
	case s.Attained >= s.Goal:
		return Met
	default:
		return Missed
	}
}

// Decision is one thing that a scaler did.
type Decision struct {
	// At is seconds after the start.
	At Value `json:"at_seconds"`
	// Scaler is hpa, vpa, keda, cpa, cluster-autoscaler, karpenter, or what else acted.
	Scaler string `json:"scaler"`
	// Kind is Replicas, Nodes, Resources or Other.
	Kind string `json:"kind"`
	// Object is what the decision is about: Deployment captions/gateway-service, node group spot, node ip-10-0-0-7.
	Object string `json:"object"`
	// From and To are as people write them: 2 and 5, 250m and 400m. Empty where there is no such thing.
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	Reason string `json:"reason"`
}

// Kinds of decisions.
const (
	KindReplicas  = "replicas"
	KindNodes     = "nodes"
	KindResources = "resources"
	KindOther     = "other"
)

// Note is something that the reader must know before trusting the figures.
type Note struct {
	// Where is the file with its line, or the policy in a comparison.
	Where string `json:"where,omitempty"`
	// Object is what the note is about: Deployment captions/gateway-service.
	Object string `json:"object,omitempty"`
	Text   string `json:"text"`
}

// String is the form that compilers have.
func (n Note) String() string {
	parts := slices.DeleteFunc([]string{n.Where, n.Object, n.Text}, func(part string) bool { return part == "" })
	return strings.Join(parts, ": ")
}

// Complaint is an error that a controller met during the run. It is in the result once, however often it was said.
type Complaint struct {
	// Object is what it is about: Deployment captions/gateway-service. Empty where the error does not tell.
	Object string `json:"object,omitempty"`
	Text   string `json:"text"`
	// Reasons are those that were given, in the words of the controller.
	Reasons []string `json:"reasons,omitempty"`
	Count   Value    `json:"count"`
	// First and Last are when it was said, in seconds after the start. Lasting tells that it was still said at the end.
	First   Value `json:"first_seconds"`
	Last    Value `json:"last_seconds"`
	Lasting bool  `json:"lasting"`
}
