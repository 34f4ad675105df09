package cas

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// quota is what is left of --cores-total and --memory-total, upwards or downwards.
type quota struct{ left map[string]int64 }

func (a *Autoscaler) quota(state *view) *quota {
	cores, memory := state.size()
	return &quota{map[string]int64{
		"cpu": max(0, a.options.CoresTotal.Max-cores), "memory": max(0, a.options.MemoryTotal.Max<<30-memory),
	}}
}

func (a *Autoscaler) spare(state *view) *quota {
	cores, memory := state.size()
	return &quota{map[string]int64{
		"cpu": max(0, cores-a.options.CoresTotal.Min), "memory": max(0, memory-a.options.MemoryTotal.Min<<30),
	}}
}

func (v *view) size() (cores, memory int64) {
	for _, name := range v.snapshot.order {
		of := resources(v.snapshot.nodes[name].Node())
		cores += of["cpu"]
		memory += of["memory"]
	}
	return cores, memory
}

func resources(node *corev1.Node) map[string]int64 {
	return map[string]int64{"cpu": node.Status.Capacity.Cpu().Value(), "memory": node.Status.Capacity.Memory().Value()}
}

// allowed is how many of so many nodes the quota has room for, and what it says about the others.
func (q *quota) allowed(node *corev1.Node, nodes int) (int, string) {
	result := nodes
	var exceeded []string
	for name, each := range resources(node) {
		if each > 0 && q.left[name] < each*int64(nodes) {
			result = min(result, int(q.left[name]/each))
			exceeded = append(exceeded, name)
		}
	}
	if exceeded == nil {
		return result, ""
	}
	slices.Sort(exceeded)
	return result, fmt.Sprintf("exceeded quota: %q, resources: %s", "cluster-wide", strings.Join(exceeded, ", "))
}

func (q *quota) take(node *corev1.Node, nodes int) {
	for name, each := range resources(node) {
		q.left[name] = max(0, q.left[name]-each*int64(nodes))
	}
}
