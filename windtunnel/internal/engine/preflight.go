package engine

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/report"
)

// preflight says which policies can never work with these manifests and this scenario. The run goes on: seeing what
// happens without them may be what the user wants.
func (r *run) preflight(w *world) {
	for _, h := range w.scalers {
		r.checkScaler(w, h)
	}
}

func (r *run) warn(o *manifest.Object, text string, path ...any) {
	r.result.Warnings = append(r.result.Warnings, report.Note{Where: o.Position(path...).String(), Object: o.Ref(), Text: text})
}

// leftOut notes what stands in a manifest and has no effect.
func (r *run) leftOut(o *manifest.Object, text string, path ...any) {
	r.result.NotModelled = append(r.result.NotModelled, report.Note{Where: o.Position(path...).String(), Object: o.Ref(), Text: text})
}

func (r *run) checkScaler(w *world, h sourced[*autoscalingv2.HorizontalPodAutoscaler]) {
	ref := h.object.Spec.ScaleTargetRef
	name := targetOf(h.object)
	var target *corev1.PodSpec
	for _, d := range w.deployments {
		if ref.Kind == "Deployment" && d.object.Name == ref.Name && d.object.Namespace == h.object.Namespace {
			target = &d.object.Spec.Template.Spec
		}
	}
	if target == nil {
		r.hopeless[name] = true
		r.warn(h.source, "it can never work: there is no "+name, "spec", "scaleTargetRef", "name")
		return
	}
	for i, m := range h.object.Spec.Metrics {
		if why := r.impossible(h.object, m, target); why != "" {
			r.hopeless[name] = true
			r.warn(h.source, "this metric can never work: "+why, "spec", "metrics", i)
		}
	}
}

// targetOf names what a HorizontalPodAutoscaler scales.
func targetOf(h *autoscalingv2.HorizontalPodAutoscaler) string {
	return fmt.Sprintf("%s %s/%s", h.Spec.ScaleTargetRef.Kind, h.Namespace, h.Spec.ScaleTargetRef.Name)
}

func (r *run) impossible(h *autoscalingv2.HorizontalPodAutoscaler, m autoscalingv2.MetricSpec, pod *corev1.PodSpec) string {
	switch m.Type {
	case autoscalingv2.ResourceMetricSourceType:
		if m.Resource.Target.Type != autoscalingv2.UtilizationMetricType {
			return ""
		}
		for _, c := range pod.Containers {
			if _, requested := c.Resources.Requests[m.Resource.Name]; !requested {
				return fmt.Sprintf("container %s requests no %s, and utilization is a share of what all containers request", c.Name, m.Resource.Name)
			}
		}
	case autoscalingv2.ContainerResourceMetricSourceType:
		for _, c := range pod.Containers {
			_, requested := c.Resources.Requests[m.ContainerResource.Name]
			if c.Name == m.ContainerResource.Container && (requested || m.ContainerResource.Target.Type != autoscalingv2.UtilizationMetricType) {
				return ""
			}
		}
		return fmt.Sprintf("there is no container %s that requests %s", m.ContainerResource.Container, m.ContainerResource.Name)
	case autoscalingv2.PodsMetricSourceType:
		return r.unprovided(h.Namespace, "Pods", m.Pods.Metric.Name)
	case autoscalingv2.ObjectMetricSourceType:
		return r.unprovided(h.Namespace, "Object", m.Object.Metric.Name)
	case autoscalingv2.ExternalMetricSourceType:
		return r.unprovided(h.Namespace, "External", m.External.Metric.Name)
	}
	return ""
}

func (r *run) unprovided(namespace, kind, name string) string {
	for _, p := range r.Scenario.Metrics.Provide {
		for _, l := range r.loads {
			if p.Kind == kind && p.Name == name && p.Workload == l.id() && l.namespace == namespace {
				return ""
			}
		}
	}
	return fmt.Sprintf("nothing provides the %s metric %s in namespace %s; the scenario can, under metrics.provide", kind, name, namespace)
}
