package lint

import (
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s-scalers/windtunnel/manifest"
)

// sameObject tells whether two objects are one in the cluster, which the rule duplicate tells of.
func sameObject(a, b *manifest.Object) bool {
	return a.GetKind() == b.GetKind() && a.GetName() == b.GetName() && sameNamespace(a.GetNamespace(), b.GetNamespace())
}

func twoHPAs(s *set) []Finding {
	var all []Finding
	for i, h := range s.hpas {
		for _, other := range s.hpas[:i] {
			if !h.on.same(other.on) || sameObject(h.Object, other.Object) {
				continue
			}
			all = append(all, Finding{
				Message: fmt.Sprintf("two HPAs act on %s: %s and %s", h.on, other.Ref(), h.Ref()),
				Why:     "Each sets the replicas to what it wants, every 15 seconds, so that they swing between the two.",
				Fix:     "Keep one HPA with both metrics: the one that asks for more replicas wins.",
				Places:  []Place{at(other.Object, "spec", "scaleTargetRef"), at(h.Object, "spec", "scaleTargetRef")},
			})
		}
	}
	return all
}

func kedaAndHPA(s *set) []Finding {
	var all []Finding
	for i, k := range s.scaledObjects {
		for _, h := range s.hpas {
			if k.on.same(h.on) {
				all = append(all, Finding{
					Message: fmt.Sprintf("KEDA and an HPA act on %s: %s and %s", k.on, k.Ref(), h.Ref()),
					Why:     "KEDA makes an HPA of its own for the ScaledObject, so that two HPAs set the replicas in turn.",
					Fix:     "Keep one: CPU and memory can be triggers of the ScaledObject, of type cpu and memory.",
					Places:  []Place{at(k.Object, "spec", "scaleTargetRef"), at(h.Object, "spec", "scaleTargetRef")},
				})
			}
		}
		for _, other := range s.scaledObjects[:i] {
			if k.on.same(other.on) && !sameObject(k.Object, other.Object) {
				all = append(all, Finding{
					Message: fmt.Sprintf("two ScaledObjects act on %s: %s and %s", k.on, other.Ref(), k.Ref()),
					Why:     "KEDA makes an HPA for each of them, and these set the replicas in turn.",
					Fix:     "Keep one ScaledObject with the triggers of both.",
					Places:  []Place{at(other.Object, "spec", "scaleTargetRef"), at(k.Object, "spec", "scaleTargetRef")},
				})
			}
		}
	}
	return all
}

func twoVPAs(s *set) []Finding {
	var all []Finding
	for i, v := range s.vpas {
		for _, other := range s.vpas[:i] {
			if !v.on.same(other.on) || sameObject(v.Object, other.Object) {
				continue
			}
			all = append(all, Finding{
				Message: fmt.Sprintf("two VPAs act on %s: %s and %s", v.on, other.Ref(), v.Ref()),
				Why:     "Only one of them is used for a pod, the older one; the other does nothing.",
				Fix:     "Keep one, with both resources in controlledResources.",
				Places:  []Place{at(other.Object, "spec", "targetRef"), at(v.Object, "spec", "targetRef")},
			})
		}
	}
	return all
}

// hpaAndVPA finds an HPA that divides by a request which a VPA changes.
func hpaAndVPA(s *set) []Finding {
	var all []Finding
	for _, v := range s.vpas {
		if v.mode == "Off" {
			continue
		}
		for _, h := range s.hpas {
			if !v.on.same(h.on) {
				continue
			}
			for _, m := range utilizationMetrics(h) {
				if controls(v, m.resource, m.container) {
					all = append(all, conflictOn(m.resource, v, h.Object, h.on, m.path))
				}
			}
		}
		for _, k := range s.scaledObjects {
			if !v.on.same(k.on) {
				continue
			}
			for _, t := range k.triggers {
				if (t.kind == "cpu" || t.kind == "memory") && controls(v, corev1.ResourceName(t.kind), "") && metricType(k, t) == "Utilization" {
					all = append(all, conflictOn(corev1.ResourceName(t.kind), v, k.Object, k.on, t.path))
				}
			}
		}
	}
	return all
}

func conflictOn(resource corev1.ResourceName, v vpa, scaler *manifest.Object, on target, path []any) Finding {
	return Finding{
		Message: fmt.Sprintf("%s and %s both act on %s of %s", scaler.Ref(), v.Ref(), resource, on),
		Why: fmt.Sprintf("The one counts %s as a percentage of the request, and the other changes the request: when it grows, the percentage falls and "+
			"replicas go, until those that are left need more again.", resource),
		Fix: "Let the VPA control the other resource (controlledResources), let the HPA use an AverageValue or another metric, or set the VPA's " +
			"updateMode to Off.",
		Places: []Place{at(scaler, path...), at(v.Object, "spec", "resourcePolicy")},
	}
}

// metricType is Utilization unless the trigger says otherwise.
func metricType(k scaled, t trigger) string {
	items, _, _ := unstructured.NestedSlice(k.Object.Object, "spec", "triggers")
	if i, ok := t.path[len(t.path)-1].(int); ok && i < len(items) {
		fields, _ := items[i].(map[string]any)
		if kind, ok, _ := unstructured.NestedString(fields, "metricType"); ok {
			return kind
		}
	}
	return "Utilization"
}

type utilization struct {
	resource  corev1.ResourceName
	container string // empty: all of the pod
	path      []any
}

func utilizationMetrics(h hpa) []utilization {
	var all []utilization
	for i, m := range h.spec.Metrics {
		path := []any{"spec", "metrics", i}
		if m.Resource != nil && m.Resource.Target.Type == autoscalingv2.UtilizationMetricType {
			all = append(all, utilization{m.Resource.Name, "", path})
		}
		if m.ContainerResource != nil && m.ContainerResource.Target.Type == autoscalingv2.UtilizationMetricType {
			all = append(all, utilization{m.ContainerResource.Name, m.ContainerResource.Container, path})
		}
	}
	if len(h.spec.Metrics) == 0 {
		all = append(all, utilization{corev1.ResourceCPU, "", []any{"spec"}}) // the default: 80 % of the CPU request
	}
	return all
}

// controls tells whether the VPA changes the request for a resource in any container, or in the named one.
func controls(v vpa, resource corev1.ResourceName, container string) bool {
	policies, _, _ := unstructured.NestedSlice(v.Object.Object, "spec", "resourcePolicy", "containerPolicies")
	if len(policies) == 0 {
		return true
	}
	named := map[string]bool{}
	for _, p := range policies {
		fields, _ := p.(map[string]any)
		name, _, _ := unstructured.NestedString(fields, "containerName")
		named[name] = true
		if container != "" && name != container && name != "*" {
			continue
		}
		if mode, _, _ := unstructured.NestedString(fields, "mode"); mode == "Off" {
			continue
		}
		resources, ok, _ := unstructured.NestedStringSlice(fields, "controlledResources")
		if !ok || slices.Contains(resources, string(resource)) {
			return true
		}
	}
	// A container without a policy of its own, in a VPA without one for all others, has both resources controlled.
	return container != "" && !named[container] && !named["*"]
}

func cpaAndHPA(s *set) []Finding {
	var all []Finding
	for _, c := range s.cpas {
		var others []Place
		var name string
		for _, h := range s.hpas {
			if h.on.same(c.on) {
				others, name = append(others, at(h.Object, "spec", "scaleTargetRef")), h.Ref()
			}
		}
		for _, k := range s.scaledObjects {
			if k.on.same(c.on) {
				others, name = append(others, at(k.Object, "spec", "scaleTargetRef")), k.Ref()
			}
		}
		if len(others) > 0 {
			all = append(all, Finding{
				Message: fmt.Sprintf("Cluster Proportional Autoscaler and %s act on %s", name, c.on),
				Why:     "The one sets the replicas by the number of nodes, the other by load, in turn.",
				Fix:     "Keep one of them.",
				Places:  append([]Place{at(c.Object)}, others...),
			})
		}
	}
	return all
}
