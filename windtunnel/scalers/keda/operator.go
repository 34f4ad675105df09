package keda

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"k8s-scalers/windtunnel/cluster"
)

var (
	deploymentResource = schema.GroupResource{Group: "apps", Resource: "deployments"}
	scalerResource     = schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}
	podResource        = schema.GroupResource{Resource: "pods"}
)

// Operator acts on ScaledObjects over a cluster in memory. Whoever drives the cluster calls Step; the HorizontalController's metrics
// client calls Metric.
type Operator struct {
	api    *cluster.API
	broker Broker
	scaled func(namespace, name string, from, to int32, reason string)

	mu      sync.Mutex
	objects []*object
}

// object is a ScaledObject in operation.
type object struct {
	*ScaledObject
	hpa      string
	triggers []*trigger
	// created and next: when the first poll was due, and when the next is. lastActive has whole seconds, as in the status.
	created, next, lastActive time.Time
	// failures in a row, by metric; only where there is a fallback.
	failures map[string]int32
	// seen is what was read last, by metric, where somebody else than the reader may use it.
	seen map[string]observation
}

// observation is one reading of a trigger, after its fallback.
type observation struct {
	value            float64
	active, fallback bool
	err              error
}

// New makes an operator without ScaledObjects. Scaled is told of each step that the operator takes itself.
func New(api *cluster.API, broker Broker, scaled func(namespace, name string, from, to int32, reason string)) *Operator {
	return &Operator{api: api, broker: broker, scaled: scaled}
}

// Add takes a ScaledObject in and creates its HorizontalPodAutoscaler. Its first poll is due at once. The error is a *SpecError where the
// ScaledObject is wrong or asks for what is not modelled.
func (o *Operator) Add(s *ScaledObject, now time.Time) error {
	if err := s.check(); err != nil {
		return err
	}
	added := &object{
		ScaledObject: s, created: now.Truncate(time.Second), next: now, failures: map[string]int32{}, seen: map[string]observation{},
	}
	for i, t := range s.Spec.Triggers {
		made, err := newTrigger(s.Name, i, t, o.broker)
		if p := (*SpecError)(nil); errors.As(err, &p) {
			return &SpecError{append([]any{"spec", "triggers", i}, p.Path...), p.Text}
		}
		if err != nil {
			return err
		}
		added.triggers = append(added.triggers, made)
	}
	hpa, err := o.api.Create(scalerResource, newHPA(s, added.triggers))
	if err != nil {
		return fmt.Errorf("create the HorizontalPodAutoscaler of %s/%s: %w", s.Namespace, s.Name, err)
	}
	added.hpa = hpa.GetName()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.objects = append(o.objects, added)
	return nil
}

// moment is how long a poll takes. Without it a cooldown that is a multiple of the polling interval would never be exceeded by
// the poll at its end, as it is in a cluster, where polls do not fall on whole seconds.
const moment = time.Millisecond

// Step polls what is due and tells whether it changed the cluster. Everything else must wait meanwhile.
func (o *Operator) Step(now time.Time) (changed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.objects {
		if now.Before(s.next) {
			continue
		}
		s.next = now.Add(s.Spec.polling())
		if o.poll(s, now.Add(moment)) {
			changed = true
		}
	}
	return changed
}

func (o *Operator) poll(s *object, now time.Time) bool {
	current, err := o.replicas(s)
	if err != nil {
		return false // There is no target; it is said before the run.
	}
	found := state{current: current, lastActive: s.lastActive, created: s.created, now: now}
	var active []string
	outside := 0
	shared := !s.Spec.pollsMatter() && o.controllerReads(s)
	for _, t := range s.triggers {
		if t.source == nil {
			continue
		}
		outside++
		seen, known := s.seen[t.name()]
		if !shared || !known {
			seen = o.settle(s, t, func() (float64, bool, error) { return t.source.read(now) })
		}
		if t.cached {
			s.seen[t.name()] = seen
		}
		switch {
		case seen.err != nil:
			found.failing = true
		case seen.active || seen.fallback:
			found.active = true
			active = append(active, t.name())
		}
	}
	if outside == 0 {
		// CPU and memory cannot wake a workload, so without another trigger it always counts as active.
		found.active = true
	}
	verdict := decide(&s.Spec, found)
	if verdict.scale {
		reason := verdict.reason
		if len(active) > 0 {
			reason += ": " + strings.Join(active, ", ")
		}
		if err := o.api.Scale(s.Namespace, s.Spec.ScaleTargetRef.Name, verdict.to, func(namespace, name string, from, to int32) {
			o.scaled(namespace, name, from, to, reason)
		}); err != nil {
			return false
		}
	}
	if verdict.seen {
		s.lastActive = now.Truncate(time.Second)
	}
	return verdict.scale
}

// settle reads a trigger, counts failures, and puts the fallback in their place.
func (o *Operator) settle(s *object, t *trigger, read func() (value float64, active bool, err error)) observation {
	value, active, err := read()
	if err == nil {
		delete(s.failures, t.name())
		return observation{value: value, active: active}
	}
	fallback := s.Spec.Fallback
	if fallback == nil {
		return observation{err: err}
	}
	s.failures[t.name()]++
	if s.failures[t.name()] <= fallback.FailureThreshold {
		return observation{err: err}
	}
	current, scaleErr := o.replicas(s)
	if scaleErr != nil {
		return observation{err: err}
	}
	value, err = fallbackMetric(fallback, t.spec.External.Target, current, o.ready(s))
	return observation{value: value, fallback: err == nil, err: err}
}

// Metric answers the HorizontalController's question for an external metric. Mine is false where no ScaledObject has it.
func (o *Operator) Metric(namespace, name string, selector labels.Selector, now time.Time) (value float64, mine bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.objects {
		if s.Namespace != namespace || !selector.Matches(labels.Set{ownerLabel: s.Name}) {
			continue
		}
		for _, t := range s.triggers {
			if t.source == nil || t.name() != name {
				continue
			}
			read := func() (float64, bool, error) { return t.source.read(now) }
			if last, known := s.seen[name]; t.cached && known {
				read = func() (float64, bool, error) { return last.value, last.active, last.err }
			}
			seen := o.settle(s, t, read)
			if !s.Spec.pollsMatter() {
				s.seen[name] = seen
			}
			return seen.value, true, seen.err
		}
	}
	return 0, false, nil
}

// replicas is what the target is asked to have.
func (o *Operator) replicas(s *object) (int32, error) {
	found, err := o.api.Look(deploymentResource, s.Namespace, s.Spec.ScaleTargetRef.Name)
	if err != nil {
		return 0, err
	}
	return value(found.(*appsv1.Deployment).Spec.Replicas, 1), nil
}

// ready is how many pods of the target run and are ready.
func (o *Operator) ready(s *object) int32 {
	found, err := o.api.Look(deploymentResource, s.Namespace, s.Spec.ScaleTargetRef.Name)
	if err != nil {
		return 0
	}
	selector, err := metav1.LabelSelectorAsSelector(found.(*appsv1.Deployment).Spec.Selector)
	if err != nil {
		return 0
	}
	var ready int32
	for _, p := range o.api.Peek(podResource) {
		pod := p.(*corev1.Pod)
		if pod.Namespace != s.Namespace || pod.Status.Phase != corev1.PodRunning || !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	return ready
}

// controllerReads tells whether the HorizontalController asks for metrics at present.
func (o *Operator) controllerReads(s *object) bool {
	found, err := o.api.Look(scalerResource, s.Namespace, s.hpa)
	if err != nil {
		return false
	}
	for _, c := range found.(*autoscalingv2.HorizontalPodAutoscaler).Status.Conditions {
		if c.Type == autoscalingv2.ScalingActive {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Limits are the smallest and the largest number of replicas that a Deployment may have under its ScaledObject, if it has one.
func (o *Operator) Limits(namespace, name string) (lower, upper int32, found bool) {
	for _, s := range o.objects {
		if s.Namespace == namespace && s.Spec.ScaleTargetRef.Name == name {
			lower := s.Spec.Min()
			if idle := s.Spec.IdleReplicaCount; idle != nil {
				lower = *idle
			}
			return lower, s.Spec.Max(), true
		}
	}
	return 0, 0, false
}
