package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s-scalers/windtunnel/cloud"
	"k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/internal/vtime"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
)

// fleet is the nodes of the scenario's groups, and kube-scheduler, which gives pods to them.
type fleet struct {
	run       *run
	zones     []string
	machines  *machines
	groups    []*nodeGroup
	scheduler *cluster.Scheduler
	scaler    *groupScaler // nil where no Cluster Autoscaler is deployed
	pools     *nodePools   // nil where there are no NodePools of Karpenter
	daemons   *daemons
	waits     map[wait]float64 // seconds of pods
	last      time.Time
}

// wait is what kept pods of a workload from running.
type wait struct{ workload, reason string }

// nodeGroup is machines that are alike, such as an Auto Scaling group: it keeps their number, and replaces those that were
// taken away.
type nodeGroup struct {
	spec     scenario.Nodes
	instance cloud.Type
	target   int
	made     int
}

func newFleet(ctx context.Context, r *run, w *world) (*fleet, error) {
	f := &fleet{run: r, zones: r.Scenario.Cluster.Zones, machines: newMachines(r), waits: map[wait]float64{}}
	if len(w.pools) > 0 {
		f.zones = r.oneZone(w)
	}
	r.cluster.Admit(r.setPriority)
	var err error
	if f.scheduler, err = cluster.NewScheduler(ctx, r.cluster); err != nil {
		return nil, err
	}
	for _, spec := range r.Scenario.Cluster.Nodes {
		instance, err := cloud.Find(spec.Type)
		if err != nil {
			return nil, err
		}
		g := &nodeGroup{spec: spec, instance: instance, target: spec.Count}
		f.groups = append(f.groups, g)
		for range spec.Count {
			if err := f.machines.launch(f.next(g), true, time.Now()); err != nil {
				return nil, err
			}
		}
	}
	if f.scaler, err = newGroupScaler(f, w); err != nil {
		return nil, err
	}
	f.pools = newNodePools(f, w)
	f.daemons = newDaemons(r, w)
	return f, nil
}

// next is the next machine of a group.
func (f *fleet) next(g *nodeGroup) machineSpec {
	g.made++
	labels := map[string]string{managedCapacityLabel: "ON_DEMAND", "eks.amazonaws.com/nodegroup": g.spec.Name}
	if g.spec.Capacity == report.Spot {
		labels[managedCapacityLabel] = "SPOT"
	}
	maps.Copy(labels, g.spec.Labels)
	spec := machineSpec{
		name: fmt.Sprintf("%s-%03d", strings.ReplaceAll(g.spec.Name, ".", "-"), g.made), group: g.spec.Name,
		instance: g.instance, capacity: g.spec.Capacity, zone: f.zones[(g.made-1)%len(f.zones)],
		labels: labels, disk: float64(g.spec.Disk), boot: cloud.GroupBoot().Draw,
	}
	if boot := g.spec.Boot; boot != nil {
		spec.boot = func(r *rand.Rand) time.Duration { return seconds(boot.Of().Draw(r)) }
	}
	for _, t := range g.spec.Taints {
		spec.taints = append(spec.taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	return spec
}

// members are the machines of a group that are there to stay, and all of them.
func (f *fleet) members(g *nodeGroup) (staying, all []*machine) {
	for _, m := range f.machines.all {
		if m.spec.group != g.spec.Name {
			continue
		}
		all = append(all, m)
		if !f.leaving(m) {
			staying = append(staying, m)
		}
	}
	return staying, all
}

// leaving is a machine whose notice was heard.
func (f *fleet) leaving(m *machine) bool {
	return m.noticed && !f.run.Scenario.Cluster.Spot.IgnoreNotice
}

// Start implements nodes.
func (f *fleet) Start() {
	f.scheduler.Start()
	if f.pools != nil {
		f.pools.karpenter.Start()
	}
}

// Stop implements nodes.
func (f *fleet) Stop() {
	f.scheduler.Stop()
	if f.pools != nil {
		f.pools.karpenter.Stop()
	}
}

// Begin implements nodes.
func (f *fleet) Begin(now time.Time) {
	f.machines.begin(now)
	clear(f.waits)
	f.last = now
	for _, l := range f.run.loads {
		l.result.Counts.Evictions = 0
	}
}

// Step implements nodes.
func (f *fleet) Step(now time.Time) {
	if err := f.step(now); err != nil {
		f.run.deciding.failed(err, "nodes")
	}
	vtime.Settle()
	f.scheduler.Step(vtime.Settle)
	f.countWaits(now)
}

func (f *fleet) step(now time.Time) error {
	noticed, err := f.machines.step(now)
	if err != nil {
		return err
	}
	for _, m := range noticed {
		f.heedNotice(m)
	}
	for _, m := range f.machines.all {
		if f.leaving(m) && m.spec.group != "" {
			f.evictFrom(m)
		}
	}
	for _, g := range f.groups {
		staying, _ := f.members(g)
		for range g.target - len(staying) {
			if err := f.machines.launch(f.next(g), false, now); err != nil {
				return err
			}
		}
	}
	if err := f.daemons.step(now); err != nil {
		return err
	}
	if f.pools != nil {
		f.pools.karpenter.Step(now)
	}
	if f.scaler != nil {
		return f.scaler.step(now)
	}
	return nil
}

// heedNotice keeps new pods off a node that will be taken away.
func (f *fleet) heedNotice(m *machine) {
	reason := fmt.Sprintf("spot capacity of %s is taken back", m.spec.instance.Name)
	switch {
	case f.leaving(m) && m.spec.group == "":
		reason += fmt.Sprintf(" in %v; Karpenter is told", f.machines.spot.Notice)
		f.pools.karpenter.Interrupt(m.name())
	case f.leaving(m):
		reason += fmt.Sprintf(" in %v; its pods are evicted, and a new node is asked for", f.machines.spot.Notice)
		// A node that has not registered has no pods.
		_ = f.run.cluster.Change(nodeResource, "", m.name(), func(o cluster.Object) { o.(*corev1.Node).Spec.Unschedulable = true })
	default:
		reason += ", and nothing listens for the notice"
	}
	f.run.deciding.add(report.Decision{Scaler: "spot", Kind: report.KindNodes, Object: "node " + m.name(), Reason: reason})
}

// evictFrom asks for the eviction of all pods of a node, as often as it is refused.
func (f *fleet) evictFrom(m *machine) {
	for _, pod := range f.run.kubelet.Pods() {
		if pod.Node == m.name() && !pod.Stopping {
			_ = f.run.evict(pod.Namespace, pod.Name, nil) // Asked again in a second.
		}
	}
}

// evict asks for the eviction of a pod, and fails as the API does. One that ends already need not be evicted.
func (r *run) evict(namespace, name string, options *metav1.DeleteOptions) error {
	pod, err := r.cluster.Look(podResource, namespace, name)
	if err != nil || pod.GetDeletionTimestamp() != nil {
		return err
	}
	if err := r.cluster.Evict(namespace, name, options); err != nil {
		return err
	}
	if l := r.loadOf(namespace, pod.GetLabels()); l != nil {
		l.result.Counts.Evictions = report.Value(l.result.Counts.Evictions.Or(0) + 1)
	}
	return nil
}

// counted is the number of nodes that stands before a reason of the scheduler: "2 Insufficient cpu".
var counted = regexp.MustCompile(`^\d+ `)

// reasonOf is why a pod has no node, in the scheduler's words without its counts.
func reasonOf(pod *corev1.Pod) string {
	message := cluster.UnschedulableReason(pod)
	if _, after, found := strings.Cut(message, "nodes are available: "); found {
		// What follows is about claims of devices and about preemption.
		message, _, _ = strings.Cut(after, ". ")
	}
	var parts []string
	for part := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(message), "."), ", ") {
		parts = append(parts, counted.ReplaceAllString(part, ""))
	}
	slices.Sort(parts)
	if reason := strings.Join(slices.Compact(parts), ", "); reason != "" {
		return reason
	}
	return "the scheduler has not looked at it yet"
}

func (f *fleet) countWaits(now time.Time) {
	passed := 0.0
	if !f.last.IsZero() {
		passed = now.Sub(f.last).Seconds()
	}
	f.last = now
	for _, pod := range f.run.cluster.Unbound() {
		workload := pod.Namespace + "/" + pod.Name
		if l := f.run.loadOf(pod.Namespace, pod.Labels); l != nil {
			workload = l.id()
		}
		f.waits[wait{workload, reasonOf(pod)}] += passed
	}
}

// Sample implements nodes.
func (f *fleet) Sample(point int) { f.machines.sample(point) }

// Finish implements nodes.
func (f *fleet) Finish(elapsed time.Duration) {
	f.machines.finish(elapsed)
	for w, s := range f.waits {
		f.run.result.Cluster.Waits = append(f.run.result.Cluster.Waits, report.Wait{Workload: w.workload, Reason: w.reason, PodSeconds: report.Value(s)})
	}
	slices.SortFunc(f.run.result.Cluster.Waits, func(a, b report.Wait) int {
		return cmp.Or(cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Reason, b.Reason))
	})
}
