package keda

import (
	"cmp"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// newHPA is the HorizontalPodAutoscaler of a ScaledObject. It never goes below 1: the step to zero is the operator's.
func newHPA(s *ScaledObject, triggers []*trigger) *autoscalingv2.HorizontalPodAutoscaler {
	name := "keda-hpa-" + s.Name
	var behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
	if a := s.Spec.Advanced; a != nil && a.HorizontalPodAutoscalerConfig != nil {
		name, behavior = cmp.Or(a.HorizontalPodAutoscalerConfig.Name, name), a.HorizontalPodAutoscalerConfig.Behavior
	}
	metrics := make([]autoscalingv2.MetricSpec, len(triggers))
	for i, t := range triggers {
		metrics[i] = t.spec
	}
	slices.SortStableFunc(metrics, func(a, b autoscalingv2.MetricSpec) int { return cmp.Compare(a.Type, b.Type) })
	labels := map[string]string{
		"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": s.Name, "app.kubernetes.io/managed-by": "keda-operator",
		ownerLabel: s.Name,
	}
	maps.Copy(labels, s.Labels)
	lower, yes := max(1, s.Spec.Min()), true
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: name, Labels: labels, Annotations: s.Annotations,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "keda.sh/v1alpha1", Kind: Kind, Name: s.Name, UID: s.UID, Controller: &yes, BlockOwnerDeletion: &yes,
			}},
		},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment", Name: s.Spec.ScaleTargetRef.Name,
			},
			MinReplicas: &lower, MaxReplicas: s.Spec.Max(), Metrics: metrics, Behavior: behavior,
		},
	}
}

// Kind is that of a ScaledObject.
const Kind = "ScaledObject"

// ScaledJobs are the other way in which KEDA scales.
var ScaledJobs = schema.GroupKind{Group: "keda.sh", Kind: "ScaledJob"}

// NoScaledJobs is for whoever has one in the manifests.
const NoScaledJobs = "windtunnel run does not model ScaledJobs of KEDA: it makes no Jobs, and nobody does their work; only Deployments are run"

// Owns tells whether a HorizontalPodAutoscaler was made for a ScaledObject.
func Owns(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	owner := metav1.GetControllerOf(h)
	return owner != nil && owner.Kind == Kind
}
