package cas

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// view is a State made ready for one step: sorted, indexed, and as the scheduler sees it.
type view struct {
	State
	nodes   []*corev1.Node
	byName  map[string]*corev1.Node
	groupOf map[string]*Group // by node or instance
	pods    []*corev1.Pod
	// snapshot has the nodes with the pods that run on them, except those that anything may push off.
	snapshot *snapshot
	// targets change with what the step does.
	targets map[string]int
}

func newView(state State, cutoff int) *view {
	v := &view{
		State: state, nodes: slices.Clone(state.Nodes), byName: map[string]*corev1.Node{}, groupOf: map[string]*Group{},
		pods: alive(state.Pods), targets: map[string]int{},
	}
	v.Groups = slices.Clone(state.Groups)
	slices.SortFunc(v.Groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(v.nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	for i := range v.Groups {
		group := &v.Groups[i]
		v.targets[group.Name] = group.Target
		for _, instance := range group.Instances {
			v.groupOf[instance] = group
		}
	}
	for _, node := range v.nodes {
		v.byName[node.Name] = node
	}
	var bound []*corev1.Pod
	for _, pod := range v.pods {
		if pod.Spec.NodeName != "" && priority(pod) >= cutoff {
			bound = append(bound, pod)
		}
	}
	v.snapshot = newSnapshot(v.nodes, bound)
	return v
}

// without leaves nodes out of the list and of the snapshot.
func (v *view) without(names []string) {
	for _, name := range names {
		v.snapshot.remove(name)
	}
	v.nodes = slices.DeleteFunc(v.nodes, func(n *corev1.Node) bool { return slices.Contains(names, n.Name) })
}
