package cas

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// toHelp is the pending pods that neither a node nor one on its way will take. The pods of nodes that are being drained
// count among them, because they will need a place soon.
func (a *Autoscaler) toHelp(state *view, now time.Time) []*corev1.Pod {
	var pending []*corev1.Pod
	for _, pod := range state.pods {
		if unschedulable(pod) && priority(pod) >= a.options.ExpendablePriorityCutoff {
			pending = append(pending, pod)
		}
	}
	for _, name := range a.deletions.names(true) {
		info := state.snapshot.nodes[name]
		if info == nil {
			continue
		}
		for _, pod := range podsOf(info) {
			if pod.DeletionTimestamp == nil && !isStatic(pod) && !isMirror(pod) && !isDaemon(pod) {
				pending = append(pending, unbound(pod))
			}
		}
	}
	left := a.pending.place(state.snapshot, pending, false, func(string) bool { return true })
	a.pending.forget()
	return slices.DeleteFunc(left, func(pod *corev1.Pod) bool {
		delay := a.options.NewPodScaleUpDelay
		if own, err := time.ParseDuration(pod.Annotations["cluster-autoscaler.kubernetes.io/pod-scale-up-delay"]); err == nil && own >= delay {
			delay = own
		}
		return isDaemon(pod) || now.Sub(pod.CreationTimestamp.Time) <= delay
	})
}

// Reasons for which a group is not even looked at, in the original's words.
const (
	notReady   = "not ready for scale-up"
	inBackoff  = "in backoff after failed scale-up"
	maxReached = "max node group size reached"
)

// scaleUp grows one group, or several that are alike, and tells whether it did.
func (a *Autoscaler) scaleUp(state *view, templates map[string]*framework.NodeInfo, pods []*corev1.Pod, now time.Time, report *Report) bool {
	current := len(state.snapshot.order)
	quota := a.quota(state)
	wanted := kinds(pods)
	skipped := map[string]string{}
	var valid []*Group
	for i := range state.Groups {
		group := &state.Groups[i]
		if reason := a.skip(state, group, templates[group.Name], quota, now); reason != "" {
			skipped[group.Name] = reason
			continue
		}
		valid = append(valid, group)
	}
	fitting := map[string][]*kind{}
	for _, group := range valid {
		fitting[group.Name] = a.fitting(state.snapshot, wanted, group.Name, templates[group.Name])
	}
	var options []option
	for _, group := range valid {
		o := option{group: group, template: templates[group.Name]}
		if len(fitting[group.Name]) == 0 {
			continue
		}
		o.similar = a.similarGroups(state, group, templates, fitting, now)
		room := state.room(group)
		for _, other := range o.similar {
			room += state.room(other)
		}
		if a.options.MaxNodesPerScaleUp > 0 {
			room = min(room, a.options.MaxNodesPerScaleUp)
		}
		if a.options.MaxNodesTotal > 0 {
			room = min(room, max(0, a.options.MaxNodesTotal-current))
		}
		e := estimate{scheduler: a.scheduler, on: state.snapshot, template: o.template, room: room}
		if o.nodes, o.pods = e.run(fitting[group.Name]); o.nodes > 0 && len(o.pods) > 0 {
			options = append(options, o)
		}
	}
	if len(options) == 0 {
		report.NotHelped = append(report.NotHelped, remaining(wanted, skipped)...)
		return false
	}
	best := choose(a.options.Expanders, options, state, a.random)
	nodes := best.nodes
	if a.options.MaxNodesTotal > 0 {
		nodes = min(nodes, a.options.MaxNodesTotal-current)
	}
	nodes, _ = quota.allowed(best.template.Node(), nodes)
	if nodes < 1 {
		return false
	}
	reason := fmt.Sprintf("%d pending pods need %d more nodes of group %s (%s of %d options)",
		len(best.pods), best.nodes, best.group.Name, strings.Join(a.options.Expanders, ","), len(options))
	done := false
	for _, change := range balance(state, append([]*Group{best.group}, best.similar...), nodes) {
		delta, _ := quota.allowed(templates[change.Group].Node(), change.To-change.From)
		if delta < 1 {
			continue
		}
		change.To = change.From + delta
		change.Pods, change.Reason = len(best.pods), reason
		if a.cluster.Resize(change.Group, delta) != nil {
			a.registry.fail(change.Group, now)
			continue
		}
		quota.take(templates[change.Group].Node(), delta)
		state.targets[change.Group] += delta
		a.registry.asked(change.Group, delta, now)
		report.ScaleUps = append(report.ScaleUps, change)
		done = true
	}
	return done
}

func (v *view) room(group *Group) int { return max(0, group.Max-v.targets[group.Name]) }

func (a *Autoscaler) skip(state *view, group *Group, template *framework.NodeInfo, q *quota, now time.Time) string {
	switch {
	case !a.registry.groupHealthy(group.Name):
		return notReady
	case a.registry.backedOff(group.Name, now):
		return inBackoff
	case state.room(group) == 0:
		return maxReached
	case template == nil:
		return notReady
	}
	if _, exceeded := q.allowed(template.Node(), 1); exceeded != "" {
		return exceeded
	}
	return ""
}

// fitting is the kinds of which one pod would go to an empty node of the group, as the cluster is now.
func (a *Autoscaler) fitting(on *snapshot, wanted []*kind, group string, template *framework.NodeInfo) []*kind {
	trial := on.fork()
	trial.add(template)
	var fit []*kind
	for _, k := range wanted {
		if refused := a.scheduler.fits(trial, k.pods[0], template.Node().Name); refused != nil {
			k.rejected[group] = refused
			continue
		}
		k.fits = append(k.fits, group)
		fit = append(fit, k)
	}
	return fit
}

// remaining says for each pod that no group can take how many groups gave which reason.
func remaining(wanted []*kind, skipped map[string]string) []NotHelped {
	var all []NotHelped
	for _, k := range wanted {
		if len(k.fits) > 0 {
			continue
		}
		counts := map[string]int{}
		for _, list := range k.rejected {
			for _, reason := range list {
				counts[reason]++
			}
		}
		for _, reason := range skipped {
			counts[reason]++
		}
		var parts []string
		for _, reason := range slices.Sorted(maps.Keys(counts)) {
			parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
		}
		for _, pod := range k.pods {
			all = append(all, NotHelped{pod.Namespace, pod.Name, "pod didn't trigger scale-up: " + strings.Join(parts, ", ")})
		}
	}
	return all
}

// toMinimum grows groups that are smaller than they should ever be.
func (a *Autoscaler) toMinimum(state *view, templates map[string]*framework.NodeInfo, now time.Time, report *Report) {
	quota := a.quota(state)
	for i := range state.Groups {
		group := &state.Groups[i]
		from := state.targets[group.Name]
		template := templates[group.Name]
		if from >= group.Min || template == nil || !a.registry.groupHealthy(group.Name) || a.registry.backedOff(group.Name, now) {
			continue
		}
		delta, _ := quota.allowed(template.Node(), group.Min-from)
		if a.options.MaxNodesTotal > 0 {
			delta = min(delta, a.options.MaxNodesTotal-from)
		}
		if delta < 1 || a.cluster.Resize(group.Name, delta) != nil {
			continue
		}
		quota.take(template.Node(), delta)
		state.targets[group.Name] += delta
		a.registry.asked(group.Name, delta, now)
		a.lastScaleUp = now
		report.ScaleUps = append(report.ScaleUps, ScaleUp{
			Group: group.Name, From: from, To: from + delta, Reason: fmt.Sprintf("the group is below its minimum of %d", group.Min),
		})
	}
}
