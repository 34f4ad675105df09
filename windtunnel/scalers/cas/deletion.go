package cas

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// What the original waits for while it drains a node.
const (
	evictionRetry    = 10 * time.Second
	evictionHeadroom = 30 * time.Second
	goneCheck        = 5 * time.Second
)

// deletion is a node on its way out: tainted, then drained, then deleted.
type deletion struct {
	group, node, reason string
	drain               bool

	stage stage
	next  time.Time
	// giveUp is when the current stage ends without success.
	giveUp time.Time
	pods   []*corev1.Pod // to be evicted
	asked  []*corev1.Pod // evicted; they must be gone before the node goes
}

type stage int

const (
	tainted stage = iota
	evicting
	leaving
)

type deletions struct{ all []*deletion }

func (d *deletions) names(drainedOnly bool) []string {
	var names []string
	for _, one := range d.all {
		if one.drain || !drainedOnly {
			names = append(names, one.node)
		}
	}
	return names
}

func (d *deletions) perGroup() map[string]int {
	counts := map[string]int{}
	for _, one := range d.all {
		counts[one.group]++
	}
	return counts
}

// crop keeps as many nodes as may go at the same time.
func (a *Autoscaler) crop(empty, drain []*candidate) ([]*candidate, []*candidate) {
	drained := len(a.deletions.names(true))
	room := a.options.MaxScaleDownParallelism - len(a.deletions.all)
	empty = empty[:max(0, min(len(empty), room))]
	room = min(room-len(empty), a.options.MaxDrainParallelism-drained)
	return empty, drain[:max(0, min(len(drain), room))]
}

// start marks nodes as about to go. They keep their pods for a moment, in which the scheduler sees the taint.
func (a *Autoscaler) start(state *view, nodes []*candidate, now time.Time, report *Report) {
	for _, c := range nodes {
		group := state.groupOf[c.node.Name].Name
		d := &deletion{
			group: group, node: c.node.Name, drain: len(c.move) > 0, reason: c.reason(now),
			next: now.Add(a.options.NodeDeleteDelayAfterTaint),
		}
		a.cluster.Taint(d.node, corev1.Taint{Key: ToBeDeleted, Value: fmt.Sprint(now.Unix()), Effect: corev1.TaintEffectNoSchedule}, true)
		a.deletions.all = append(a.deletions.all, d)
		report.Tainted = append(report.Tainted, NodeChange{group, d.node, d.reason})
	}
}

// Wake is when Advance has something to do; false while no node is on its way out.
func (a *Autoscaler) Wake() (time.Time, bool) {
	var first time.Time
	for _, d := range a.deletions.all {
		if first.IsZero() || d.next.Before(first) {
			first = d.next
		}
	}
	return first, !first.IsZero()
}

// Advance goes on with the nodes on their way out, as far as it is time to.
func (a *Autoscaler) Advance(now time.Time) (Report, error) {
	var report Report
	for _, d := range slices.Clone(a.deletions.all) {
		for !d.next.After(now) {
			ended, kept, err := a.advance(d, d.next)
			if err != nil {
				return report, err
			}
			if !ended {
				continue
			}
			a.deletions.all = slices.DeleteFunc(a.deletions.all, func(other *deletion) bool { return other == d })
			change := NodeChange{d.group, d.node, d.reason}
			if kept != "" {
				change.Reason = kept
				a.cluster.Taint(d.node, corev1.Taint{Key: ToBeDeleted, Effect: corev1.TaintEffectNoSchedule}, false)
				report.Kept = append(report.Kept, change)
			} else {
				report.Removed = append(report.Removed, change)
			}
			break
		}
	}
	return report, nil
}

// advance does one thing with a node. It tells whether that was the last, and why the node stays if it does.
func (a *Autoscaler) advance(d *deletion, now time.Time) (ended bool, kept string, err error) {
	state := a.cluster.State()
	switch d.stage {
	case tainted:
		ended, kept, err = a.check(d, state, now)
		if ended || err != nil {
			return ended, kept, err
		}
		d.stage, d.giveUp = evicting, now.Add(a.options.MaxPodEvictionTime)
	case evicting:
		var refused []*corev1.Pod
		for _, pod := range d.pods {
			if found(state, pod) && !a.cluster.Evict(pod.Namespace, pod.Name) {
				refused = append(refused, pod)
				continue
			}
			d.asked = append(d.asked, pod)
		}
		d.pods = refused
		if len(refused) == 0 {
			d.stage, d.giveUp = leaving, now.Add(a.options.MaxGracefulTermination+evictionHeadroom)
			return false, "", nil
		}
		d.next = now.Add(evictionRetry)
		if !d.next.Before(d.giveUp) {
			return true, fmt.Sprintf("%s could not be evicted within %v", list(refused), a.options.MaxPodEvictionTime), nil
		}
	case leaving:
		still := slices.DeleteFunc(slices.Clone(d.asked), func(pod *corev1.Pod) bool { return !foundOn(state, pod, d.node) })
		switch {
		case len(still) == 0:
			return true, a.remove(d), nil
		case !now.Before(d.giveUp):
			return true, fmt.Sprintf("%s did not end in time", list(still)), nil
		}
		d.next = now.Add(goneCheck)
	}
	return false, "", nil
}

// check looks once more whether the node may go, now that no new pods come. An empty one goes at once.
func (a *Autoscaler) check(d *deletion, state State, now time.Time) (ended bool, kept string, err error) {
	var pods []*corev1.Pod
	for _, pod := range alive(state.Pods) {
		if pod.Spec.NodeName == d.node && priority(pod) >= a.options.ExpendablePriorityCutoff {
			pods = append(pods, pod)
		}
	}
	judge := judge{options: &a.options, now: now}
	if d.drain {
		judge.replicas = state.Replicas
		if judge.budgets, err = newBudgets(state.Budgets); err != nil {
			return false, "", err
		}
	}
	drainage := judge.drainage(pods)
	switch {
	case drainage.blocked != "":
		return true, drainage.blocked, nil
	case d.drain:
		for _, pod := range pods {
			if !isMirror(pod) && !isDaemon(pod) {
				d.pods = append(d.pods, pod)
			}
		}
		return false, "", nil
	case len(drainage.move) > 0:
		return true, list(drainage.move) + " came to the empty node", nil
	case len(drainage.completing) > 0:
		return true, list(drainage.completing) + " runs to its end", nil
	}
	return true, a.remove(d), nil
}

func (a *Autoscaler) remove(d *deletion) string {
	if err := a.cluster.Delete(d.group, d.node); err != nil {
		return err.Error()
	}
	return ""
}

func found(state State, pod *corev1.Pod) bool {
	return slices.ContainsFunc(state.Pods, func(other *corev1.Pod) bool { return other.UID == pod.UID && key(other) == key(pod) })
}

func foundOn(state State, pod *corev1.Pod, node string) bool {
	return slices.ContainsFunc(state.Pods, func(other *corev1.Pod) bool {
		return other.UID == pod.UID && key(other) == key(pod) && other.Spec.NodeName == node
	})
}

func list(pods []*corev1.Pod) string {
	var all []string
	for _, pod := range pods {
		all = append(all, key(pod))
	}
	return strings.Join(all, ", ")
}

// softTaints marks the nodes that could go, so that the scheduler prefers others, and unmarks the rest, a few at a time.
func (a *Autoscaler) softTaints(state *view, leaving []string) {
	left := a.options.MaxBulkSoftTaintCount
	for _, unneeded := range []bool{false, true} {
		for _, node := range state.nodes {
			if state.groupOf[node.Name] == nil || hasTaint(node, ToBeDeleted) || slices.Contains(leaving, node.Name) {
				continue
			}
			marked := hasTaint(node, DeletionCandidate)
			if (a.planner.unneeded[node.Name] != nil) != unneeded || marked == unneeded || left <= 0 {
				continue
			}
			a.cluster.Taint(node.Name, corev1.Taint{Key: DeletionCandidate, Effect: corev1.TaintEffectPreferNoSchedule}, unneeded)
			left--
		}
	}
}
