package cluster

import (
	"context"
	"math"
	"slices"

	"k8s.io/component-helpers/scheduling/corev1"
	extender "k8s.io/kube-scheduler/extender/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/util"
)

// repeatablePreemption is kube-scheduler's preemption without its two pieces of chance: it begins to look at the first node
// instead of at a random one, and where its criteria leave several nodes it takes the first by name instead of by the order
// of a map.
type repeatablePreemption struct {
	*defaultpreemption.DefaultPreemption
}

// Name of the plugin, which must differ from that of the original.
func (*repeatablePreemption) Name() string { return preemptionName }

// GetOffsetAndNumCandidates is that of the original with the offset 0.
func (p *repeatablePreemption) GetOffsetAndNumCandidates(nodes int32) (offset, candidates int32) {
	_, candidates = p.DefaultPreemption.GetOffsetAndNumCandidates(nodes)
	return 0, candidates
}

// OrderedScoreFuncs are the criteria of the original, which it does not export: fewest violations of disruption budgets, the
// lowest priority of the most important victim, the lowest sum of priorities, the fewest victims, the latest start of the
// most important ones. The name comes last.
func (p *repeatablePreemption) OrderedScoreFuncs(_ context.Context, victims map[string]*extender.Victims) []func(node string) int64 {
	names := make([]string, 0, len(victims))
	for name := range victims {
		names = append(names, name)
	}
	slices.Sort(names)
	return []func(string) int64{
		func(node string) int64 { return -victims[node].NumPDBViolations },
		func(node string) int64 { return -int64(corev1.PodPriority(victims[node].Pods[0])) },
		func(node string) int64 {
			var sum int64
			for _, pod := range victims[node].Pods {
				// Each victim counts, whatever its priority: negative ones must not make more victims look better.
				sum += int64(corev1.PodPriority(pod)) + math.MaxInt32 + 1
			}
			return -sum
		},
		func(node string) int64 { return -int64(len(victims[node].Pods)) },
		func(node string) int64 {
			if earliest := util.GetEarliestPodStartTime(victims[node]); earliest != nil {
				return earliest.UnixNano()
			}
			return math.MinInt64
		},
		func(node string) int64 { return -int64(slices.Index(names, node)) },
	}
}
