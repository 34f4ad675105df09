package keda

import (
	"fmt"
	"time"
)

// state is what one poll has found.
type state struct {
	current int32
	// active: a trigger is. failing: a trigger could not be read and no fallback took its place.
	active, failing bool
	// lastActive is zero before a trigger was active.
	lastActive, created, now time.Time
}

// verdict is what is to be done: to is the number of replicas where scale is true. seen tells that now is the last time at
// which the workload was active.
type verdict struct {
	scale  bool
	to     int32
	seen   bool
	reason string
}

// decide is the step that KEDA takes itself, outside of its HorizontalPodAutoscaler.
func decide(spec *Spec, s state) verdict {
	idle, lower := spec.IdleReplicaCount, spec.Min()
	if s.active {
		switch {
		case idle != nil && s.current < lower, s.current == 0:
			return verdict{scale: true, to: max(1, lower), seen: true, reason: "a trigger is active"}
		case s.failing:
			// Some triggers are active, some cannot be read: the time is not noted.
			return verdict{}
		default:
			return verdict{seen: true}
		}
	}
	switch {
	case s.failing && (spec.Fallback == nil || spec.Fallback.Replicas != 0):
		// A failed read is not an empty queue. With 0 replicas to fall back to, KEDA goes on as if it were one.
		return verdict{}
	case idle != nil && s.current > *idle, s.current > 0 && lower == 0:
		return deactivate(spec, s)
	case idle == nil && s.current < lower:
		return verdict{scale: true, to: lower, reason: fmt.Sprintf("there are fewer than minReplicaCount %d", lower)}
	default:
		return verdict{}
	}
}

// deactivate takes a workload to its idle count, or to none, once it has been inactive for long enough: strictly longer.
func deactivate(spec *Spec, s state) verdict {
	since, period, name := s.lastActive, spec.cooldown(), "cooldownPeriod"
	if since.IsZero() {
		since, period, name = s.created, spec.initialCooldown(), "initialCooldownPeriod"
	}
	if !since.Add(period).Before(s.now) {
		return verdict{}
	}
	to := spec.Min()
	if spec.IdleReplicaCount != nil {
		to = *spec.IdleReplicaCount
	}
	return verdict{scale: true, to: to, reason: fmt.Sprintf("no trigger has been active for longer than %s %v", name, period)}
}
