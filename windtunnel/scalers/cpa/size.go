package cpa

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Size is what the original counts: all nodes, and those that are Ready and not cordoned. Cores are what is allocatable on
// them together, rounded up once.
type Size struct {
	Nodes, Cores                       int32
	SchedulableNodes, SchedulableCores int32
}

// counted is the part of the size that a policy looks at. includeUnschedulableNodes counts nodes that are not Ready, too.
func (s Size) counted(all bool) (nodes, cores int32) {
	if all {
		return s.Nodes, s.Cores
	}
	return s.SchedulableNodes, s.SchedulableCores
}

// Measure counts nodes.
func Measure(nodes []*corev1.Node) Size {
	size := Size{Nodes: int32(len(nodes))}
	var all, schedulable resource.Quantity
	for _, node := range nodes {
		cpu := node.Status.Allocatable[corev1.ResourceCPU]
		all.Add(cpu)
		if !node.Spec.Unschedulable && ready(node) {
			size.SchedulableNodes++
			schedulable.Add(cpu)
		}
	}
	size.Cores, size.SchedulableCores = int32(all.Value()), int32(schedulable.Value())
	return size
}

func ready(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
