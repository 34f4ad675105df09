package cas

import (
	"fmt"
	"time"
)

// registry remembers what was asked of the cloud and what came of it.
type registry struct {
	options *Options

	requests     map[string]*request
	unregistered map[string]time.Time // instance, since when it is seen without a node
	wrongSize    map[string]wrongSize
	backoff      map[string]*backoff

	groups map[string]*health
	total  health
	nodes  int
}

type request struct {
	increase int
	expected time.Time
}

type wrongSize struct {
	current, expected int
	since             time.Time
}

type backoff struct {
	duration time.Duration
	until    time.Time
	failed   time.Time
}

// health counts the nodes of a group, or of all groups.
type health struct {
	known                          bool // there is at least one node or instance
	ready, unready, registered     int
	notStarted                     []string
	unregistered, longUnregistered int
	lost                           []string
	minimum, target                int
}

func newRegistry(options *Options) *registry {
	return &registry{
		options: options, requests: map[string]*request{}, unregistered: map[string]time.Time{},
		wrongSize: map[string]wrongSize{}, backoff: map[string]*backoff{}, groups: map[string]*health{},
	}
}

// update looks at the cluster. Requests that are over their time are given up; shrink is asked to take them back.
func (r *registry) update(state *view, now time.Time, shrink func(group string, by int, why string)) {
	r.count(state, now)
	for group, b := range r.backoff {
		if b.failed.Add(r.options.BackoffResetTimeout).Before(now) {
			delete(r.backoff, group)
		}
	}
	for i := range state.Groups {
		group := state.Groups[i].Name
		wanted := r.requests[group]
		switch {
		case wanted == nil:
		case r.coming(group) <= 0:
			delete(r.requests, group)
		case wanted.expected.Before(now):
			r.fail(group, now)
			delete(r.requests, group)
			shrink(group, wanted.increase, fmt.Sprintf("nodes added to group %s failed to register within %v", group, r.options.MaxNodeProvisionTime))
		}
	}
	r.ranges(state)
	r.sizes(state, now)
}

func (r *registry) count(state *view, now time.Time) {
	r.groups, r.total, r.nodes = map[string]*health{}, health{}, len(state.nodes)
	seen := map[string]time.Time{}
	for i := range state.Groups {
		group := &state.Groups[i]
		h := &health{}
		r.groups[group.Name] = h
		for _, instance := range group.Instances {
			if state.byName[instance] != nil {
				continue
			}
			h.known = true
			since, found := r.unregistered[instance]
			if !found {
				since = now
			}
			seen[instance] = since
			if since.Add(r.options.MaxNodeProvisionTime).Before(now) {
				h.longUnregistered++
				h.lost = append(h.lost, instance)
			} else {
				h.unregistered++
			}
		}
	}
	r.unregistered = seen
	for _, node := range state.nodes {
		into := []*health{&r.total}
		if group := state.groupOf[node.Name]; group != nil {
			into = append(into, r.groups[group.Name])
		}
		ready, _ := readiness(node)
		for _, h := range into {
			h.known = true
			h.registered++
			switch {
			case ready:
				h.ready++
			case node.CreationTimestamp.Add(r.options.MaxNodeStartupTime).After(now):
				h.notStarted = append(h.notStarted, node.Name)
			default:
				h.unready++
			}
		}
	}
	r.ranges(state)
}

// ranges is how many nodes each group should have, after what was asked for.
func (r *registry) ranges(state *view) {
	for i := range state.Groups {
		group := &state.Groups[i]
		h := r.groups[group.Name]
		h.target, h.minimum = group.Target, group.Target-h.longUnregistered
		if wanted := r.requests[group.Name]; wanted != nil {
			h.minimum -= wanted.increase
		}
	}
}

// sizes notes groups whose nodes do not match their target.
func (r *registry) sizes(state *view, now time.Time) {
	result := map[string]wrongSize{}
	for i := range state.Groups {
		name := state.Groups[i].Name
		h := r.groups[name]
		if !h.known || h.registered <= h.target && h.registered >= h.target-h.unregistered-h.longUnregistered {
			continue
		}
		wrong := wrongSize{h.registered, h.target, now}
		if before, found := r.wrongSize[name]; found && before.current == wrong.current && before.expected == wrong.expected {
			wrong = before
		}
		result[name] = wrong
	}
	r.wrongSize = result
}

func (r *registry) asked(group string, increase int, now time.Time) {
	wanted := r.requests[group]
	if wanted == nil {
		wanted = &request{}
		r.requests[group] = wanted
	}
	wanted.increase += increase
	wanted.expected = now.Add(r.options.MaxNodeProvisionTime)
}

// fail keeps a group from being tried again for a while, longer each time.
func (r *registry) fail(group string, now time.Time) {
	b := r.backoff[group]
	switch {
	case b == nil:
		b = &backoff{duration: r.options.InitialBackoff}
		r.backoff[group] = b
	case b.until.Before(now):
		b.duration = min(2*b.duration, r.options.MaxBackoff)
	}
	b.until, b.failed = now.Add(b.duration), now
}

func (r *registry) backedOff(group string, now time.Time) bool {
	b := r.backoff[group]
	return b != nil && !b.until.Before(now)
}

// coming is how many nodes of a group were asked for and are not there yet.
func (r *registry) coming(group string) int {
	h := r.groups[group]
	return h.target - h.ready - h.unready - h.longUnregistered
}

// upcoming is how many nodes of a group may be counted on. Those that are registered already are named, too.
func (r *registry) upcoming(group string, now time.Time) (int, []string) {
	if r.requests[group] == nil || r.backedOff(group, now) {
		return 0, nil
	}
	n := r.coming(group)
	if n <= 0 {
		return 0, nil
	}
	return n, r.groups[group].notStarted
}

func (r *registry) healthy() bool {
	return !r.tooMany(r.total.unready, r.nodes)
}

func (r *registry) groupHealthy(group string) bool {
	h := r.groups[group]
	if !h.known {
		return h.target == 0 || h.minimum == 0
	}
	return !r.tooMany(h.minimum-h.ready, h.ready+h.unready+len(h.notStarted))
}

func (r *registry) tooMany(unready, of int) bool {
	return unready > r.options.OkTotalUnreadyCount &&
		float64(unready) > r.options.MaxTotalUnreadyPercentage/100*float64(of)
}
