package cas

import (
	"cmp"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
)

// estimate is how many nodes of one kind some pods would need, by first fit in decreasing size.
type estimate struct {
	scheduler *scheduler
	on        *snapshot
	template  *framework.NodeInfo
	room      int // how many nodes may be added; negative: no limit

	added  []string
	filled map[string]bool
	placed []*corev1.Pod
}

// run returns the nodes that got a pod, and the pods that got a node.
func (e *estimate) run(kinds []*kind) (nodes int, pods []*corev1.Pod) {
	e.on, e.filled = e.on.fork(), map[string]bool{}
	sorted := slices.Clone(kinds)
	slices.SortStableFunc(sorted, func(a, b *kind) int { return cmp.Compare(e.size(b), e.size(a)) })
	more := true
	for _, k := range sorted {
		rest := e.onAdded(k.pods)
		if more {
			more = e.onNew(rest)
		}
	}
	return len(e.filled), e.placed
}

// size is the share of a node's cpu and of its memory that a pod asks for, together.
func (e *estimate) size(k *kind) float64 {
	cpu, memory := requests(k.pods[0])
	allocatable := e.template.Node().Status.Allocatable
	var size float64
	if all := allocatable.Cpu().MilliValue(); all > 0 {
		size += float64(cpu) / float64(all)
	}
	if all := allocatable.Memory().Value(); all > 0 {
		size += float64(memory) / float64(all)
	}
	return size
}

func (e *estimate) put(pod *corev1.Pod, node string) {
	e.placed = append(e.placed, pod)
	e.filled[node] = true
}

// onAdded fills the nodes that are there already and returns the pods from the first on that fits none.
func (e *estimate) onAdded(pods []*corev1.Pod) []*corev1.Pod {
	for i, pod := range pods {
		node, found := e.scheduler.anywhere(e.on, pod, func(name string) bool { return slices.Contains(e.added, name) })
		if !found {
			return pods[i:]
		}
		e.put(pod, node)
	}
	return nil
}

// onNew puts each pod on the last node, or on one more, until there is no more room. It gives up on pods that do not even
// fit an empty node, such as those that must be spread over zones.
func (e *estimate) onNew(pods []*corev1.Pod) bool {
	for _, pod := range pods {
		if e.onLast(pod) {
			continue
		}
		if len(e.added) > 0 && !e.filled[e.last()] {
			return true
		}
		if e.room >= 0 && len(e.added) >= e.room {
			return false
		}
		info := another(e.template, "e"+strconv.Itoa(len(e.added)))
		e.on.add(info)
		e.added = append(e.added, info.Node().Name)
		if e.scheduler.schedule(e.on, pod, e.last()) != nil {
			return true
		}
		e.put(pod, e.last())
	}
	return true
}

func (e *estimate) last() string { return e.added[len(e.added)-1] }

// onLast tries the last node; for a pod that is to be spread over hosts also any other, old ones included, because one
// more node would not help it.
func (e *estimate) onLast(pod *corev1.Pod) bool {
	if len(e.added) == 0 {
		return false
	}
	last := e.last()
	refused := e.scheduler.schedule(e.on, pod, last)
	if refused == nil {
		e.put(pod, last)
		return true
	}
	if spreadOverHosts(pod) && slices.Contains(refused, podtopologyspread.ErrReasonConstraintsNotMatch) {
		if node, found := e.scheduler.anywhere(e.on, pod, func(name string) bool { return name != last }); found {
			e.put(pod, node)
			return true
		}
	}
	return false
}

func spreadOverHosts(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool {
		return c.TopologyKey == corev1.LabelHostname
	})
}
