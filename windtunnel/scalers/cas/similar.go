package cas

import (
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// similarGroups are the groups that may share a scale-up with this one: of like nodes, fit for the same pods, and healthy.
func (a *Autoscaler) similarGroups(state *view, group *Group, templates map[string]*framework.NodeInfo, fitting map[string][]*kind, now time.Time) []*Group {
	if !a.options.BalanceSimilarNodeGroups {
		return nil
	}
	var found []*Group
	for i := range state.Groups {
		other := &state.Groups[i]
		if other.Name == group.Name || templates[other.Name] == nil || !alikeNodes(templates[group.Name], templates[other.Name]) {
			continue
		}
		same := !slices.ContainsFunc(fitting[group.Name], func(k *kind) bool { return !slices.Contains(fitting[other.Name], k) })
		if same && a.registry.groupHealthy(other.Name) && !a.registry.backedOff(other.Name, now) {
			found = append(found, other)
		}
	}
	return found
}

// How far nodes may differ and still be alike: the original's defaults.
const (
	memoryDifference      = 0.015
	allocatableDifference = 0.05
	freeDifference        = 0.05
)

// ownLabels differ between nodes that are alike.
var ownLabels = []string{
	corev1.LabelHostname, corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion, corev1.LabelTopologyZone,
	corev1.LabelTopologyRegion, "beta.kubernetes.io/fluentd-ds-ready", "kops.k8s.io/instancegroup",
	// What Amazon's provider adds to them.
	"alpha.eksctl.io/instance-id", "alpha.eksctl.io/nodegroup-name", "eks.amazonaws.com/nodegroup",
	"k8s.amazonaws.com/eniConfig", "lifecycle", "topology.ebs.csi.aws.com/zone", "topology.k8s.aws/zone-id",
}

func alikeNodes(a, b *framework.NodeInfo) bool {
	x, y := a.Node(), b.Node()
	if len(x.Status.Capacity) != len(y.Status.Capacity) {
		return false
	}
	for name, one := range x.Status.Capacity {
		other, found := y.Status.Capacity[name]
		if !found || name != corev1.ResourceMemory && one.Cmp(other) != 0 {
			return false
		}
		if name == corev1.ResourceMemory && !within(one, other, memoryDifference) {
			return false
		}
	}
	if !listsWithin(x.Status.Allocatable, y.Status.Allocatable, allocatableDifference) ||
		!listsWithin(free(a), free(b), freeDifference) {
		return false
	}
	return sameLabels(x.Labels, y.Labels) && sameLabels(y.Labels, x.Labels)
}

func free(info *framework.NodeInfo) corev1.ResourceList {
	cpu, memory := *info.Node().Status.Allocatable.Cpu(), *info.Node().Status.Allocatable.Memory()
	cpu.Sub(*resource.NewMilliQuantity(info.Requested.MilliCPU, resource.DecimalSI))
	memory.Sub(*resource.NewQuantity(info.Requested.Memory, resource.BinarySI))
	return corev1.ResourceList{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory}
}

func listsWithin(a, b corev1.ResourceList, tolerance float64) bool {
	if len(a) != len(b) {
		return false
	}
	for name, one := range a {
		if other, found := b[name]; !found || !within(one, other, tolerance) {
			return false
		}
	}
	return true
}

func within(a, b resource.Quantity, tolerance float64) bool {
	x, y := a.AsApproximateFloat64(), b.AsApproximateFloat64()
	return math.Abs(x-y) <= math.Max(x, y)*tolerance
}

func sameLabels(a, b map[string]string) bool {
	for name, value := range a {
		if other, found := b[name]; !slices.Contains(ownLabels, name) && (!found || other != value) {
			return false
		}
	}
	return true
}

// balance spreads new nodes over groups, the smallest first, and never over a group's max.
func balance(state *view, groups []*Group, nodes int) []ScaleUp {
	var changes []ScaleUp
	room := 0
	for _, group := range groups {
		if free := state.room(group); free > 0 {
			changes = append(changes, ScaleUp{Group: group.Name, From: state.targets[group.Name], To: state.targets[group.Name]})
			room += free
		}
	}
	slices.SortStableFunc(changes, func(a, b ScaleUp) int { return a.From - b.From })
	most := map[string]int{}
	for _, group := range groups {
		most[group.Name] = group.Max
	}
	for range min(nodes, room) {
		smallest := -1
		for i, c := range changes {
			if c.To < most[c.Group] && (smallest < 0 || c.To < changes[smallest].To) {
				smallest = i
			}
		}
		changes[smallest].To++
	}
	return slices.DeleteFunc(changes, func(c ScaleUp) bool { return c.To == c.From })
}
