package cas

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Autoscaler is the state of one Cluster Autoscaler. It is not safe for use by several goroutines.
type Autoscaler struct {
	options   Options
	cluster   Cluster
	random    *rand.Rand
	scheduler *scheduler
	registry  *registry
	templates *templates
	pending   *packer
	planner   *planner
	deletions deletions

	lastScaleUp, lastDelete, lastFailure time.Time
}

// New makes an autoscaler that was started now.
func New(options Options, cluster Cluster, random *rand.Rand, now time.Time) (*Autoscaler, error) {
	s, err := newScheduler()
	if err != nil {
		return nil, err
	}
	// The original pretends that its last deeds lie an hour back.
	before := now.Add(-time.Hour)
	a := &Autoscaler{
		options: options, cluster: cluster, random: random, scheduler: s, pending: newPacker(s),
		templates:   &templates{remembered: map[string]*framework.NodeInfo{}, forceAll: options.ForceDaemonSets},
		lastScaleUp: before, lastDelete: before, lastFailure: before,
	}
	a.registry, a.planner = newRegistry(&a.options), newPlanner(&a.options, s, before)
	return a, nil
}

// Step is one loop of the original. Call Advance first where both are due.
func (a *Autoscaler) Step(now time.Time) (Report, error) {
	var report Report
	busy, drainedPerGroup := a.deletions.names(false), a.deletions.perGroup()
	state := newView(a.cluster.State(), a.options.ExpendablePriorityCutoff)
	ready := 0
	for _, node := range state.nodes {
		if ok, _ := readiness(node); ok && !node.Spec.Unschedulable {
			ready++
		}
	}
	templates := a.templates.of(state, now)
	a.registry.update(state, now, func(group string, by int, why string) { a.shrink(state, group, by, why, &report) })
	a.removeLost(state, &report)
	if !a.registry.healthy() {
		a.planner.unneeded = map[string]*candidate{}
		return report, nil
	}
	if a.correctSizes(state, now, &report) {
		return report, nil
	}
	a.addUpcoming(state, templates, now)

	pods := a.toHelp(state, now)
	young := false
	switch {
	case len(pods) == 0:
	case a.options.MaxNodesTotal > 0 && ready >= a.options.MaxNodesTotal:
		for _, pod := range pods {
			report.NotHelped = append(report.NotHelped, NotHelped{pod.Namespace, pod.Name, "pod didn't trigger scale-up: max total nodes in cluster reached"})
		}
	case allNew(pods, now):
		// More of them may be on their way.
		young = true
	case a.scaleUp(state, templates, pods, now, &report):
		a.lastScaleUp = now
	}
	if a.options.ScaleDownEnabled {
		if err := a.scaleDown(state, busy, drainedPerGroup, young, now, &report); err != nil {
			return report, err
		}
	}
	if a.options.EnforceNodeGroupMinSize {
		a.toMinimum(state, templates, now, &report)
	}
	return report, nil
}

func (a *Autoscaler) scaleDown(state *view, busy []string, deleting map[string]int, young bool, now time.Time, report *Report) error {
	if err := a.planner.look(state, busy, now); err != nil {
		return err
	}
	cooling := young || a.lastScaleUp.Add(a.options.ScaleDownDelayAfterAdd).After(now) ||
		a.lastFailure.Add(a.options.ScaleDownDelayAfterFailure).After(now) ||
		a.lastDelete.Add(a.options.ScaleDownDelayAfterDelete).After(now)
	var leaving []string
	if !cooling {
		empty, drain := a.crop(a.planner.due(state, a.spare(state), deleting, now))
		going := slices.Concat(empty, drain)
		a.start(state, going, now, report)
		if len(going) > 0 {
			a.lastDelete = now
		}
		for _, c := range going {
			leaving = append(leaving, c.node.Name)
		}
	}
	a.softTaints(state, leaving)
	return nil
}

// allNew is whether the oldest of the pods is younger than two seconds.
func allNew(pods []*corev1.Pod, now time.Time) bool {
	const buffer = 2 * time.Second
	for _, pod := range pods {
		if !pod.CreationTimestamp.Add(buffer).After(now) {
			return false
		}
	}
	return true
}

// addUpcoming puts nodes that are on their way into the picture as if they were there, and takes out those that have
// registered and are not ready yet, so that they count once and are not removed before they ever were ready.
func (a *Autoscaler) addUpcoming(state *view, templates map[string]*framework.NodeInfo, now time.Time) {
	for i := range state.Groups {
		group := state.Groups[i].Name
		count, registered := a.registry.upcoming(group, now)
		if templates[group] != nil {
			for n := range count {
				state.snapshot.add(another(templates[group], "upcoming-"+strconv.Itoa(n)))
			}
		}
		state.without(registered)
	}
}

// removeLost deletes instances that never became nodes, as far as the minimum of their group allows.
func (a *Autoscaler) removeLost(state *view, report *Report) {
	for i := range state.Groups {
		group := &state.Groups[i]
		for _, instance := range a.registry.groups[group.Name].lost {
			if state.targets[group.Name] <= group.Min {
				break
			}
			if a.cluster.Delete(group.Name, instance) == nil {
				state.targets[group.Name]--
				report.Removed = append(report.Removed, NodeChange{group.Name, instance,
					fmt.Sprintf("it did not register within %v", a.options.MaxNodeProvisionTime)})
			}
		}
	}
}

// correctSizes lowers targets that have been above the nodes for too long.
func (a *Autoscaler) correctSizes(state *view, now time.Time, report *Report) bool {
	corrected := false
	for i := range state.Groups {
		group := state.Groups[i].Name
		wrong, found := a.registry.wrongSize[group]
		if found && wrong.since.Add(a.options.MaxNodeProvisionTime).Before(now) && wrong.current < wrong.expected {
			why := fmt.Sprintf("the group has had %d nodes, not %d, for %v", wrong.current, wrong.expected, now.Sub(wrong.since))
			corrected = a.shrink(state, group, wrong.expected-wrong.current, why, report) || corrected
		}
	}
	return corrected
}

func (a *Autoscaler) shrink(state *view, group string, by int, why string, report *Report) bool {
	if by <= 0 || a.cluster.Resize(group, -by) != nil {
		return false
	}
	from := state.targets[group]
	state.targets[group] -= by
	report.Shrunk = append(report.Shrunk, ScaleUp{Group: group, From: from, To: from - by, Reason: why})
	return true
}
