package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scalers/vpa"
)

// verticals is the Vertical Pod Autoscaler and what it acts on; the zero value does nothing.
type verticals struct {
	autoscaler *vpa.Autoscaler
	objects    []sourced[*vpav1.VerticalPodAutoscaler]
}

// recommend takes the VerticalPodAutoscalers in.
func (r *run) recommend(w *world) error {
	if len(w.verticals) == 0 {
		return nil
	}
	flags := vpa.Flags{PodMinCPU: float64(r.Scenario.VPA.PodMinCPU), PodMinMemory: float64(r.Scenario.VPA.PodMinMemory)}
	var err error
	if r.verticals.autoscaler, err = vpa.New(r.cluster, r.pipeline, flags, r.start, r.updated); err != nil {
		return err
	}
	for _, v := range w.verticals {
		ref := v.object.Spec.TargetRef
		switch {
		case ref == nil || ref.Kind != "Deployment":
			r.leaveOut(v.source)
			continue
		case !w.has(v.object.Namespace, ref.Name):
			r.warn(v.source, fmt.Sprintf("it can never work: there is no Deployment %s/%s", v.object.Namespace, ref.Name), "spec", "targetRef", "name")
			continue
		}
		if l := r.loadNamed(v.object.Namespace, ref.Name); l != nil && l.model == nil {
			r.warn(v.source, "it can never recommend anything: the scenario gives its Deployment no load, so nothing is known of its usage", "spec", "targetRef", "name")
		}
		if err := r.verticals.autoscaler.Add(v.object, r.start); err != nil {
			return err
		}
		r.verticals.objects = append(r.verticals.objects, v)
	}
	return nil
}

func (r *run) loadNamed(namespace, name string) *load {
	i := slices.IndexFunc(r.loads, func(l *load) bool { return l.namespace == namespace && l.name == name })
	if i < 0 {
		return nil
	}
	return r.loads[i]
}

// step lets the autoscaler act, if there is one, and tells whether it did.
func (v *verticals) step(now time.Time) bool { return v.autoscaler != nil && v.autoscaler.Step(now) }

// updated is told of each pod that the updater changes.
func (r *run) updated(u vpa.Update) {
	var from, to []string
	for _, c := range u.Pod.Spec.Containers {
		for _, recommended := range u.VPA.Status.Recommendation.ContainerRecommendations {
			if recommended.ContainerName == c.Name {
				from, to = append(from, amounts(c.Resources.Requests)), append(to, amounts(recommended.Target))
			}
		}
	}
	how := "resized in place"
	if u.Evicted {
		how = "evicted, so that its successor gets what is recommended"
		if l := r.loadOf(u.Pod.Namespace, u.Pod.Labels); l != nil {
			l.result.Counts.Evictions = report.Value(l.result.Counts.Evictions.Or(0) + 1)
		}
	}
	r.deciding.add(report.Decision{
		Scaler: "vpa", Kind: report.KindResources, Object: "Pod " + u.Pod.Namespace + "/" + u.Pod.Name,
		From: strings.Join(from, "; "), To: strings.Join(to, "; "), Reason: how,
	})
}

func amounts(list corev1.ResourceList) string {
	var parts []string
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if quantity, found := list[name]; found {
			if name == corev1.ResourceMemory {
				// The recommender counts in bytes, which nobody can read.
				quantity = *resource.NewQuantity((quantity.Value()+1<<20-1)>>20<<20, resource.BinarySI)
			}
			parts = append(parts, quantity.String())
		}
	}
	return strings.Join(parts, ", ")
}

// recommendations puts what is recommended at the end into the result.
func (r *run) recommendations() {
	for _, o := range r.verticals.objects {
		v, mode, err := r.verticals.autoscaler.Get(o.object.Namespace, o.object.Name)
		l := r.loadNamed(o.object.Namespace, o.object.Spec.TargetRef.Name)
		if err != nil || l == nil || v.Status.Recommendation == nil {
			continue
		}
		requests := map[string]corev1.ResourceList{}
		if found, err := r.cluster.Look(deploymentResource, l.namespace, l.name); err == nil {
			for _, c := range found.(*appsv1.Deployment).Spec.Template.Spec.Containers {
				requests[c.Name] = c.Resources.Requests
			}
		}
		all := v.Status.Recommendation.ContainerRecommendations
		slices.SortFunc(all, func(a, b vpav1.RecommendedContainerResources) int {
			return cmp.Compare(a.ContainerName, b.ContainerName)
		})
		for _, c := range all {
			l.result.Recommendations = append(l.result.Recommendations, report.Recommendation{
				Policy: "VerticalPodAutoscaler " + v.Namespace + "/" + v.Name, Mode: string(mode), Container: c.ContainerName,
				CPU: bounds(c, requests[c.ContainerName], corev1.ResourceCPU), Memory: bounds(c, requests[c.ContainerName], corev1.ResourceMemory),
			})
		}
	}
}

func bounds(c vpav1.RecommendedContainerResources, requests corev1.ResourceList, name corev1.ResourceName) report.Bounds {
	of := func(list corev1.ResourceList) report.Value {
		quantity, found := list[name]
		if !found {
			return report.Unknown()
		}
		return report.Value(quantity.AsApproximateFloat64())
	}
	return report.Bounds{Requested: of(requests), Lower: of(c.LowerBound), Target: of(c.Target), Upper: of(c.UpperBound), Uncapped: of(c.UncappedTarget)}
}
