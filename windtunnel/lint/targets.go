package lint

import (
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"k8s-scalers/windtunnel/manifest"
)

// scaler is anything that acts on a workload.
type scaler struct {
	*manifest.Object
	on    target
	field string // of the reference
}

func (s *set) scalers() []scaler {
	var all []scaler
	for _, h := range s.hpas {
		all = append(all, scaler{h.Object, h.on, "scaleTargetRef"})
	}
	for _, k := range s.scaledObjects {
		all = append(all, scaler{k.Object, k.on, "scaleTargetRef"})
	}
	return all
}

func missingTargets(s *set) []Finding {
	acting := s.scalers()
	for _, v := range s.vpas {
		acting = append(acting, scaler{v.Object, v.on, "targetRef"})
	}
	var all []Finding
	for _, a := range acting {
		if _, ok := s.workloadOf(a.on); ok || !slices.Contains([]string{"Deployment", "StatefulSet"}, a.on.kind) {
			continue
		}
		places := []Place{at(a.Object, "spec", a.field)}
		fix := "Correct the name, or name the folder that has the " + a.on.kind + ", too."
		for _, w := range s.workloads {
			if w.on.kind == a.on.kind && w.on.name == a.on.name {
				places = append(places, at(w.Object, "metadata"))
				fix = fmt.Sprintf("Put both into one namespace: a scaler acts only within its own, and the %s is in %s.", w.on.kind, w.on.namespace)
			}
		}
		all = append(all, Finding{
			Message: fmt.Sprintf("%s acts on %s, which is not there", a.Ref(), a.on),
			Why:     "It waits for its target for ever, and nothing is scaled.",
			Fix:     fix,
			Places:  places,
		})
	}
	return all
}

// missingRequests finds utilization without the request that it is a percentage of. One container without it is enough.
func missingRequests(s *set) []Finding {
	var all []Finding
	for _, h := range s.hpas {
		w, ok := s.workloadOf(h.on)
		if !ok {
			continue
		}
		for _, m := range utilizationMetrics(h) {
			for _, c := range longRunning(w) {
				if m.container != "" && m.container != c.Name {
					continue
				}
				_, requested := c.Resources.Requests[m.resource]
				_, limited := c.Resources.Limits[m.resource] // The request is the limit where only that is given.
				if requested || limited {
					continue
				}
				all = append(all, noRequest(w, c.Name, c.Path, m.resource, at(h.Object, m.path...), h.Ref()))
			}
		}
	}
	for _, k := range s.scaledObjects {
		w, ok := s.workloadOf(k.on)
		if !ok {
			continue
		}
		for _, t := range k.triggers {
			resource := corev1.ResourceName(t.kind)
			if (t.kind != "cpu" && t.kind != "memory") || metricType(k, t) != string(autoscalingv2.UtilizationMetricType) {
				continue
			}
			for _, c := range longRunning(w) {
				if _, ok := c.Resources.Requests[resource]; !ok {
					all = append(all, noRequest(w, c.Name, c.Path, resource, at(k.Object, t.path...), k.Ref()))
				}
			}
		}
	}
	return all
}

func noRequest(w workload, container string, path []any, resource corev1.ResourceName, by Place, scaler string) Finding {
	return Finding{
		Message: fmt.Sprintf("container %s of %s has no request for %s, which %s counts in percent of", container, w.Ref(), resource, scaler),
		Why:     "Without the request there is no percentage: the metric is missing for the whole pod, sidecars included, and the HPA does not scale.",
		Fix:     fmt.Sprintf("Give the container a request for %s, or name the containers that have one in a metric of type ContainerResource.", resource),
		Places:  []Place{at(w.Object, append(path, "resources")...), by},
	}
}

func replicasUnderScaler(s *set) []Finding {
	var all []Finding
	for _, a := range s.scalers() {
		w, ok := s.workloadOf(a.on)
		if !ok || w.replicas == nil {
			continue
		}
		all = append(all, Finding{
			Message: fmt.Sprintf("%s sets replicas: %d, and %s sets them, too", w.Ref(), *w.replicas, a.Ref()),
			Why:     "Each time that the manifest is applied, the replicas fall back to that number, in the middle of the load.",
			Fix:     "Leave spec.replicas out.",
			Places:  []Place{at(w.Object, "spec", "replicas"), at(a.Object, "spec", a.field)},
		})
	}
	return all
}

func zeroWithoutOutsideMetric(s *set) []Finding {
	var all []Finding
	for _, h := range s.hpas {
		if h.spec.MinReplicas == nil || *h.spec.MinReplicas != 0 || slices.ContainsFunc(h.spec.Metrics, func(m autoscalingv2.MetricSpec) bool {
			return m.Type == autoscalingv2.ObjectMetricSourceType || m.Type == autoscalingv2.ExternalMetricSourceType
		}) {
			continue
		}
		all = append(all, Finding{
			Message: fmt.Sprintf("%s has minReplicas: 0 and only metrics of its own pods", h.Ref()),
			Why:     "Without pods there is no metric that could start one; the API server refuses it.",
			Fix:     "Set minReplicas to 1, or add a metric of type Object or External.",
			Places:  []Place{at(h.Object, "spec", "minReplicas")},
		})
	}
	return all
}

// waitingScaleUp finds the window for scaling down under scaleUp.
func waitingScaleUp(s *set) []Finding {
	var all []Finding
	for _, h := range s.hpas {
		b := h.spec.Behavior
		if b == nil || b.ScaleUp == nil || b.ScaleUp.StabilizationWindowSeconds == nil {
			continue
		}
		up, down := *b.ScaleUp.StabilizationWindowSeconds, int32(300)
		if b.ScaleDown != nil && b.ScaleDown.StabilizationWindowSeconds != nil {
			down = *b.ScaleDown.StabilizationWindowSeconds
		}
		if up == 0 || up < down {
			continue
		}
		all = append(all, Finding{
			Severity: Warning,
			Message:  fmt.Sprintf("%s waits for %d s before it scales up, and for %d s before it scales down", h.Ref(), up, down),
			Why: "For scaling up the window takes the lowest figure within it, so that a shorter peak is missed; for scaling down it takes the highest. " +
				"The long window belongs to scaleDown.",
			Fix:    "Set scaleUp.stabilizationWindowSeconds to 0, and scaleDown.stabilizationWindowSeconds to 300 or so.",
			Places: []Place{at(h.Object, "spec", "behavior", "scaleUp", "stabilizationWindowSeconds")},
		})
	}
	return all
}
