package cas

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func hasTaint(node *corev1.Node, key string) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == key })
}

// readiness is whether a node is ready and since when it is so.
func readiness(node *corev1.Node) (ready bool, since time.Time) {
	ready, found := true, false
	for _, c := range node.Status.Conditions {
		switch c.Type {
		case corev1.NodeReady:
			found = true
			ready = ready && c.Status == corev1.ConditionTrue
		case corev1.NodeDiskPressure, corev1.NodeNetworkUnavailable:
			ready = ready && c.Status != corev1.ConditionTrue
		default:
			continue
		}
		if c.LastTransitionTime.After(since) {
			since = c.LastTransitionTime.Time
		}
	}
	for _, taint := range node.Spec.Taints {
		switch taint.Key {
		case corev1.TaintNodeNotReady, corev1.TaintNodeDiskPressure, corev1.TaintNodeNetworkUnavailable:
			ready = false
			if taint.TimeAdded != nil && taint.TimeAdded.After(since) {
				since = taint.TimeAdded.Time
			}
		}
	}
	return ready && found, since
}

// conditionTaints pass, and do not belong on a node that does not exist yet.
var conditionTaints = []string{
	corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeUnschedulable, corev1.TaintNodeMemoryPressure,
	corev1.TaintNodeDiskPressure, corev1.TaintNodeNetworkUnavailable, corev1.TaintNodePIDPressure,
	"node.cloudprovider.kubernetes.io/uninitialized", "node.cloudprovider.kubernetes.io/shutdown",
}

// fresh is a node like this one, without what belongs to this one alone.
func fresh(like *corev1.Node, name string) *corev1.Node {
	node := like.DeepCopy()
	node.Name = name
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	node.Labels[corev1.LabelHostname] = name
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key == ToBeDeleted || t.Key == DeletionCandidate || slices.Contains(conditionTaints, t.Key)
	})
	return node
}
