package cas

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// Cluster is what the autoscaler looks at and acts on. Its methods are called in the middle of Step and Advance, from the
// goroutine that called those.
type Cluster interface {
	// State is what the API server and the cloud say now. The autoscaler reads it and changes nothing in it.
	State() State
	// Resize changes the target of a group. The cloud may refuse, for example to shrink a group below the instances that
	// it has; then nothing has changed.
	Resize(group string, delta int) error
	// Delete terminates a node's instance and lowers the target of its group by one.
	Delete(group, node string) error
	Pods
}

// Pods is the part of a Cluster that drains nodes.
type Pods interface {
	// Taint puts a taint on a node, or takes it off. Key and effect say which taint it is.
	Taint(node string, taint corev1.Taint, on bool)
	// Evict asks for the eviction of a pod and tells whether it was granted; a PodDisruptionBudget may forbid it.
	Evict(namespace, name string) bool
}

// State is a moment of a cluster.
type State struct {
	Groups     []Group
	Nodes      []*corev1.Node
	Pods       []*corev1.Pod
	DaemonSets []*appsv1.DaemonSet
	Budgets    []*policyv1.PodDisruptionBudget
	// Replicas is what the controller of a pod asks for, and whether that controller exists. Where it is nil, every
	// controller exists and has enough replicas.
	Replicas func(kind, namespace, name string) (replicas int32, exists bool)
	// Priorities is the value of the key priorities in the ConfigMap of the priority expander; empty where there is none.
	Priorities string
}

// Group is a node group of the cloud, for example an Auto Scaling group.
type Group struct {
	Name     string
	Min, Max int
	// Target is how many instances the group should have.
	Target int
	// Instances are the nodes of the group by name, those included that have not registered yet.
	Instances []string
	// Template is a node as the group would start it, for as long as it has none to look at. Its name does not matter.
	Template *corev1.Node
}

// Taints of the original. The first keeps pods off a node that is about to go, the second marks one that may.
const (
	ToBeDeleted       = "ToBeDeletedByClusterAutoscaler"
	DeletionCandidate = "DeletionCandidateOfClusterAutoscaler"
)

// Report is what one Step or Advance did.
type Report struct {
	ScaleUps []ScaleUp
	// NotHelped are pending pods for which nothing could be done in this step, with the original's words why.
	NotHelped []NotHelped
	// Tainted, Removed and Kept are nodes on their way out: marked, gone, and given up on.
	Tainted, Removed, Kept []NodeChange
	// Shrunk are targets that were lowered without a node going, because instances never came.
	Shrunk []ScaleUp
}

// ScaleUp is a change of a group's target.
type ScaleUp struct {
	Group    string
	From, To int
	// Pods is how many pending pods it was made for.
	Pods   int
	Reason string
}

// NotHelped is a pending pod that the autoscaler cannot help.
type NotHelped struct {
	Namespace, Name, Reason string
}

// NodeChange is a node on its way out.
type NodeChange struct {
	Group, Node, Reason string
}
