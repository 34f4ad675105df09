package engine

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s-scalers/windtunnel/cloud"
	"k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scalers/karpenter"
)

// machines stands in for the cloud and for what makes a node of a machine: it starts instances, registers their nodes when
// they have booted, takes spot capacity away, and writes the bill. A machine is paid for from the moment it is asked for
// until it is gone, to the second.
type machines struct {
	run   *run
	spot  cloud.Spot
	boots *rand.Rand
	lives *rand.Rand
	all   []*machine // in the order in which they were asked for
	bills []*bill
	// markets are the prices of spot capacity, by type.
	markets map[string]*market

	last                        time.Time
	added, removed, interrupted int
}

// machine is an instance of the cloud.
type machine struct {
	spec machineSpec
	node *corev1.Node // as it registers
	bill *bill
	// registers is when its node is Ready; registered is whether that has been.
	registers  time.Time
	registered bool
	// notice and end are those of spot capacity; zero where it is never taken away.
	notice, end time.Time
	noticed     bool
}

func (m *machine) name() string { return m.node.Name }

// machineSpec is what is asked for.
type machineSpec struct {
	name, group string
	instance    cloud.Type
	// capacity is report.OnDemand or report.Spot.
	capacity, zone string
	labels         map[string]string
	annotations    map[string]string
	taints         []corev1.Taint
	disk           float64
	boot           func(*rand.Rand) time.Duration
	// karpenter is the machine as Karpenter asked for it; nil where it did not.
	karpenter *karpenter.Machine
}

// bill is for the machines of one type and way of paying.
type bill struct {
	report.NodeType
	instance cloud.Type
	count    int
	// seconds is those of all machines, dollars what they cost where the price moves.
	seconds, dollars float64
	market           *market // nil where the price does not move
}

// market is the price of spot capacity of one type.
type market struct {
	*cloud.Market
	random *rand.Rand
	priced time.Time
}

func newMachines(r *run) *machines {
	return &machines{run: r, spot: r.Scenario.Cluster.Spot.Of(), boots: r.random("boots"), lives: r.random("spot lives"), markets: map[string]*market{}}
}

// managedCapacityLabel is how EKS labels the way of paying for the nodes of a managed group.
const managedCapacityLabel = "eks.amazonaws.com/capacityType"

// newNode is the node of a machine.
func (s machineSpec) newNode() *corev1.Node {
	labels := map[string]string{
		corev1.LabelHostname: s.name, corev1.LabelInstanceTypeStable: s.instance.Name, corev1.LabelTopologyZone: s.zone,
		corev1.LabelTopologyRegion: strings.TrimRight(s.zone, "abcdef"), corev1.LabelArchStable: s.instance.Arch, corev1.LabelOSStable: "linux",
	}
	maps.Copy(labels, s.labels)
	capacity, allocatable := s.instance.WithDisk(s.disk)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: s.name, Labels: labels, Annotations: s.annotations},
		Spec:       corev1.NodeSpec{ProviderID: "windtunnel:///" + s.zone + "/" + s.name, Taints: slices.Clone(s.taints)},
		Status:     corev1.NodeStatus{Capacity: capacity, Allocatable: allocatable},
	}
}

// launch starts a machine that takes its time to boot, or that is there already.
func (m *machines) launch(spec machineSpec, booted bool, now time.Time) error {
	started := &machine{spec: spec, node: spec.newNode(), bill: m.billFor(spec), registers: now}
	started.bill.count++
	if spec.capacity == report.Spot {
		if life, ends := m.spot.Lifetime(m.lives); ends {
			started.end = now.Add(life)
			started.notice = started.end.Add(-m.spot.Notice)
		}
	}
	m.all = append(m.all, started)
	if booted {
		return m.register(started, now)
	}
	started.registers = now.Add(spec.boot(m.boots))
	m.added++
	return nil
}

func (m *machines) register(started *machine, now time.Time) error {
	started.registered = true
	at := metav1.NewTime(now)
	started.node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: at, LastTransitionTime: at,
	}}
	if _, err := m.run.cluster.Create(nodeResource, started.node); err != nil {
		return fmt.Errorf("register node %s: %w", started.name(), err)
	}
	return nil
}

// begin opens the books.
func (m *machines) begin(now time.Time) {
	m.last, m.added, m.removed, m.interrupted = now, 0, 0, 0
	for _, b := range m.bills {
		b.seconds, b.dollars = 0, 0
	}
}

// step goes on to now. It tells of machines that got their notice.
func (m *machines) step(now time.Time) (noticed []*machine, err error) {
	m.pay(now)
	for _, each := range slices.Clone(m.all) {
		if !each.end.IsZero() && !each.end.After(now) {
			each.noticed = true
			m.terminate(each)
			continue
		}
		if !each.registered && !each.registers.After(now) {
			if err := m.register(each, now); err != nil {
				return nil, err
			}
		}
		if !each.noticed && !each.end.IsZero() && !each.notice.After(now) {
			each.noticed = true
			noticed = append(noticed, each)
		}
	}
	return noticed, nil
}

// find is the machine of a node.
func (m *machines) find(name string) *machine {
	for _, each := range m.all {
		if each.name() == name {
			return each
		}
	}
	return nil
}

// terminate ends a machine and, at once, everything that runs on it.
func (m *machines) terminate(ended *machine) {
	zero := int64(0)
	for _, o := range m.run.cluster.Peek(podResource) {
		if pod := o.(*corev1.Pod); pod.Spec.NodeName == ended.name() {
			// It may have ended by itself meanwhile.
			_ = m.run.cluster.Delete(podResource, pod.Namespace, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &zero})
		}
	}
	if ended.registered {
		// A node that somebody deleted is gone already. One that a finalizer keeps is seen to be down.
		_ = m.run.cluster.Change(nodeResource, "", ended.name(), func(o cluster.Object) {
			if node := o.(*corev1.Node); len(node.Finalizers) > 0 {
				node.Spec.Unschedulable = true
				node.Status.Conditions[0].Status, node.Status.Conditions[0].Reason = corev1.ConditionFalse, "KubeletDown"
			}
		})
		_ = m.run.cluster.Delete(nodeResource, "", ended.name(), metav1.DeleteOptions{})
	}
	m.run.kubelet.NodeGone(ended.name())
	m.all = slices.DeleteFunc(m.all, func(other *machine) bool { return other == ended })
	ended.bill.count--
	m.removed++
	if ended.noticed {
		m.interrupted++
	}
}

func (m *machines) billFor(spec machineSpec) *bill {
	for _, b := range m.bills {
		if b.Type == spec.instance.Name && b.Capacity == spec.capacity {
			return b
		}
	}
	axis := m.run.result.Axis
	b := &bill{NodeType: report.NewNodeType(axis, spec.instance.Name, spec.capacity), instance: spec.instance}
	if spec.capacity == report.Spot {
		b.market = m.marketFor(spec.instance)
	}
	m.bills = append(m.bills, b)
	return b
}

func (m *machines) marketFor(instance cloud.Type) *market {
	if m.markets[instance.Name] == nil {
		random := m.run.random("spot price of " + instance.Name)
		m.markets[instance.Name] = &market{m.spot.Market(instance, random), random, time.Now()}
	}
	return m.markets[instance.Name]
}

// price is dollars an hour, now.
func (b *bill) price() float64 {
	if b.market != nil {
		return b.market.Price()
	}
	return b.instance.Price
}

// repriced is how often the price of spot capacity moves.
const repriced = time.Minute

// pay charges the time since the last call.
func (m *machines) pay(now time.Time) {
	if m.last.IsZero() {
		m.last = now // The run begins.
	}
	passed := now.Sub(m.last).Seconds()
	m.last = now
	for _, b := range m.bills {
		b.seconds += float64(b.count) * passed
		b.dollars += float64(b.count) * passed / 3600 * b.price()
	}
	for _, each := range m.markets {
		if since := now.Sub(each.priced); since >= repriced {
			each.Advance(since, each.random)
			each.priced = now
		}
	}
}

// sample notes the state at a point of the axis.
func (m *machines) sample(point int) {
	c := &m.run.result.Cluster
	var total, ready, cpu, memory float64
	cost := cloud.ControlPlanePrice
	for _, b := range m.bills {
		b.Count[point] = report.Value(b.count)
		total += float64(b.count)
		cost += float64(b.count) * b.price()
	}
	for _, each := range m.all {
		if each.registered {
			ready++
			cpu += each.node.Status.Allocatable.Cpu().AsApproximateFloat64()
			memory += each.node.Status.Allocatable.Memory().AsApproximateFloat64()
		}
	}
	var cpuRequested, memoryRequested float64
	for _, pod := range m.run.kubelet.Pods() {
		for _, container := range pod.Containers {
			cpuRequested += container.CPURequest
			memoryRequested += container.MemoryRequest
		}
	}
	c.Total[point], c.Ready[point], c.CostPerHour[point] = report.Value(total), report.Value(ready), report.Value(cost)
	c.CPUAllocatable[point], c.MemoryAllocatable[point] = report.Value(cpu), report.Value(memory)
	c.CPURequested[point], c.MemoryRequested[point] = report.Value(cpuRequested), report.Value(memoryRequested)
}

// finish writes the bill.
func (m *machines) finish(elapsed time.Duration) {
	c := &m.run.result.Cluster
	slices.SortFunc(m.bills, func(a, b *bill) int { return strings.Compare(a.Type+" "+a.Capacity, b.Type+" "+b.Capacity) })
	var nodes float64
	points := int(elapsed/m.run.Scenario.Every) + 1
	for _, b := range m.bills {
		for point := range min(points, len(b.Count)) {
			// Before the first of its kind there was none.
			b.Count[point] = report.Value(b.Count[point].Or(0))
		}
		hours := b.seconds / 3600
		price := b.instance.Price
		if b.market != nil && hours > 0 {
			price = b.dollars / hours
		}
		b.Hours, b.Price, b.Cost = report.Value(hours), report.Value(price), report.Value(hours*price)
		nodes += hours * price
		c.Nodes = append(c.Nodes, b.NodeType)
	}
	control := cloud.ControlPlanePrice * elapsed.Hours()
	c.Cost = report.Cost{Nodes: report.Value(nodes), ControlPlane: report.Value(control), Total: report.Value(nodes + control)}
	c.NodesAdded, c.NodesRemoved, c.SpotInterruptions = report.Value(m.added), report.Value(m.removed), report.Value(m.interrupted)
}
