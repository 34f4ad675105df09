package cas

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// planner remembers which nodes could go, and since when.
type planner struct {
	options *Options
	packer  *packer

	unneeded map[string]*candidate
	// recheck is nodes that cannot go, and until when they are not looked at again.
	recheck  map[string]time.Time
	previous time.Time
	shortest time.Duration // the shortest time between two looks so far
}

// candidate is a node that could go now.
type candidate struct {
	since      time.Time
	node       *corev1.Node
	move       []*corev1.Pod
	completing bool
	// risky: its pods cannot all be disrupted at the same time.
	risky bool
	why   string
}

func newPlanner(options *Options, s *scheduler, started time.Time) *planner {
	shortest := options.ScaleDownUnneededTime
	if shortest == 0 {
		shortest = 1
	}
	return &planner{
		options: options, packer: newPacker(s), unneeded: map[string]*candidate{}, recheck: map[string]time.Time{},
		previous: started, shortest: shortest,
	}
}

// look decides anew which nodes could go, all of them together, and keeps the time since when each could.
func (p *planner) look(state *view, busy []string, now time.Time) error {
	p.shortest = max(1, min(p.shortest, now.Sub(p.previous)))
	p.previous = now
	budgets, err := newBudgets(state.Budgets)
	if err != nil {
		return err
	}
	trial := state.snapshot.fork()
	destinations := map[string]bool{}
	for _, node := range state.nodes {
		destinations[node.Name] = !slices.Contains(busy, node.Name)
	}
	for name, until := range p.recheck {
		if state.snapshot.nodes[name] == nil || !until.After(now) {
			delete(p.recheck, name)
		}
	}
	found := map[string]*candidate{}
	limit := p.limit()
	judge := judge{options: p.options, now: now, budgets: budgets, replicas: state.Replicas}
	for _, node := range p.order(state, busy, now) {
		if _, recent := p.recheck[node.Name]; recent || trial.nodes[node.Name] == nil {
			continue
		}
		why, eligible := p.eligible(state, node, now)
		if !eligible {
			continue
		}
		if len(found) >= limit {
			break
		}
		c, after := p.simulate(trial, node, destinations, judge)
		if c == nil {
			p.recheck[node.Name] = now.Add(p.options.UnremovableNodeRecheckTimeout)
			continue
		}
		trial = after
		destinations[node.Name] = false
		c.risky = !budgets.take(c.move)
		c.since, c.why = now, why
		if before := p.unneeded[node.Name]; before != nil {
			c.since = before.since
		}
		found[node.Name] = c
	}
	p.unneeded = found
	p.packer.forget()
	return nil
}

// order is the nodes that may be looked at: of a group that is larger than its minimum; the empty ones first, then those
// that could go last time.
func (p *planner) order(state *view, busy []string, now time.Time) []*corev1.Node {
	type ranked struct {
		node *corev1.Node
		rank int
	}
	var list []ranked
	judge := judge{options: p.options, now: now}
	for _, node := range state.nodes {
		group := state.groupOf[node.Name]
		if group == nil || state.targets[group.Name] <= group.Min || slices.Contains(busy, node.Name) {
			continue
		}
		r := ranked{node: node}
		d := judge.drainage(podsOf(state.snapshot.nodes[node.Name]))
		switch empty := d.blocked == "" && len(d.move) == 0; {
		case !empty:
			r.rank = 4
		case len(d.completing) > 0:
			r.rank = 2
		}
		if p.unneeded[node.Name] == nil {
			r.rank++
		}
		list = append(list, r)
	}
	slices.SortStableFunc(list, func(a, b ranked) int { return a.rank - b.rank })
	nodes := make([]*corev1.Node, 0, len(list))
	for _, r := range list {
		nodes = append(nodes, r.node)
	}
	return nodes
}

// eligible is whether little enough runs on a node, and how little that is.
func (p *planner) eligible(state *view, node *corev1.Node, now time.Time) (string, bool) {
	if hasTaint(node, ToBeDeleted) || node.Annotations[scaleDownDisabled] == "true" {
		return "", false
	}
	if ready, _ := readiness(node); !ready && !p.options.ScaleDownUnreadyEnabled {
		return "", false
	}
	cpu, memory, known := p.utilization(node, podsOf(state.snapshot.nodes[node.Name]), now)
	if !known || max(cpu, memory) > p.options.ScaleDownUtilizationThreshold {
		return "", false
	}
	name, most := "memory", memory
	if cpu > memory {
		name, most = "cpu", cpu
	}
	return fmt.Sprintf("%s requests are %.3g%% of what is allocatable, at most %.3g%%", name, most*100, p.options.ScaleDownUtilizationThreshold*100), true
}

// utilization is what is requested on a node, as fractions of what is allocatable.
func (p *planner) utilization(node *corev1.Node, pods []*corev1.Pod, now time.Time) (cpu, memory float64, known bool) {
	allCPU, allMemory := node.Status.Allocatable.Cpu().MilliValue(), node.Status.Allocatable.Memory().Value()
	if allCPU == 0 || allMemory == 0 {
		return 0, 0, false
	}
	var usedCPU, usedMemory int64
	for _, pod := range pods {
		c, m := requests(pod)
		switch {
		case p.options.IgnoreDaemonSetsUtilization && isDaemon(pod), p.options.IgnoreMirrorPodsUtilization && isMirror(pod):
			allCPU -= c
			allMemory -= m
		case !longTerminating(pod, now):
			usedCPU += c
			usedMemory += m
		}
	}
	return float64(usedCPU) / float64(allCPU), float64(usedMemory) / float64(allMemory), true
}

// simulate drains a node and looks for places for its pods. The node stays as a ghost that takes no pods meanwhile,
// because it still counts as a domain over which pods are spread; in the result it is gone.
func (p *planner) simulate(on *snapshot, node *corev1.Node, destinations map[string]bool, judge judge) (*candidate, *snapshot) {
	d := judge.drainage(podsOf(on.nodes[node.Name]))
	if d.blocked != "" {
		return nil, nil
	}
	trial := on.fork()
	ghost := node.DeepCopy()
	ghost.Spec.Taints = append(ghost.Spec.Taints, corev1.Taint{Key: ToBeDeleted, Effect: corev1.TaintEffectNoSchedule})
	trial.add(nodeInfo(ghost))
	moving := make([]*corev1.Pod, 0, len(d.move))
	for _, pod := range d.move {
		moving = append(moving, unbound(pod))
	}
	left := p.packer.place(trial, moving, true, func(name string) bool { return name != node.Name && destinations[name] })
	if len(left) > 0 {
		return nil, nil
	}
	trial.remove(node.Name)
	return &candidate{node: node, move: d.move, completing: len(d.completing) > 0}, trial
}

// limit is how many unneeded nodes are enough: more could not be deleted soon anyway.
func (p *planner) limit() int {
	n := p.options.MaxScaleDownParallelism
	unneeded := max(p.options.ScaleDownUnneededTime, p.shortest)
	return min(len(p.unneeded)+2*n, n*int(unneeded/p.shortest)+n)
}

// due is the nodes that have been unneeded for long enough, empty ones and others, in the order in which they go.
func (p *planner) due(state *view, spare *quota, deleting map[string]int, now time.Time) (empty, drain []*candidate) {
	var names []string
	for name := range p.unneeded {
		names = append(names, name)
	}
	slices.Sort(names)
	sizes := map[string]int{}
	for name, target := range state.targets {
		sizes[name] = target - deleting[name]
	}
	for _, wantEmpty := range []bool{true, false} {
		for _, name := range names {
			c := p.unneeded[name]
			if (len(c.move) == 0) != wantEmpty || !p.waited(c, now) {
				continue
			}
			group := state.groupOf[name]
			if group == nil || sizes[group.Name] <= group.Min {
				continue
			}
			if _, exceeded := spare.allowed(c.node, 1); exceeded != "" {
				continue
			}
			spare.take(c.node, 1)
			sizes[group.Name]--
			switch {
			case c.completing:
			case wantEmpty:
				empty = append(empty, c)
			default:
				drain = append(drain, c)
			}
		}
	}
	slices.SortStableFunc(drain, func(a, b *candidate) int {
		switch {
		case a.risky == b.risky:
			return 0
		case b.risky:
			return -1
		}
		return 1
	})
	return empty, drain
}

func (p *planner) waited(c *candidate, now time.Time) bool {
	if c.node.Annotations[scaleDownDisabled] == "true" {
		return false
	}
	needed := p.options.ScaleDownUnneededTime
	if ready, _ := readiness(c.node); !ready {
		needed = p.options.ScaleDownUnreadyTime
	}
	return needed == 0 || c.since.Add(needed).Before(now)
}

func (c *candidate) reason(now time.Time) string {
	text := fmt.Sprintf("unneeded for %v: %s", now.Sub(c.since), c.why)
	if len(c.move) == 0 {
		return text + "; it is empty"
	}
	var pods []string
	for _, pod := range c.move {
		pods = append(pods, key(pod))
	}
	return text + "; " + strings.Join(pods, ", ") + " will move"
}
