package cluster

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// allowance is how many pods may be disrupted under a budget now, and whether it covers the pod. Percentages count of the
// pods that exist and round up, as the disruption controller of Kubernetes does where the owner's scale is what exists.
func allowance(budget *policyv1.PodDisruptionBudget, pods []Object, pod *corev1.Pod) (allowed int, covers bool) {
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	if err != nil || !selector.Matches(labels.Set(pod.Labels)) {
		return 0, false
	}
	var healthy, expected int
	for _, o := range pods {
		other := o.(*corev1.Pod)
		if !selector.Matches(labels.Set(other.Labels)) || finished(other) {
			continue
		}
		expected++
		if other.DeletionTimestamp == nil && podReady(other) {
			healthy++
		}
	}
	switch spec := budget.Spec; {
	case spec.MinAvailable != nil:
		need, err := intstr.GetScaledValueFromIntOrPercent(spec.MinAvailable, expected, true)
		if err != nil {
			return 0, true
		}
		return healthy - need, true
	case spec.MaxUnavailable != nil:
		may, err := intstr.GetScaledValueFromIntOrPercent(spec.MaxUnavailable, expected, true)
		if err != nil {
			return 0, true
		}
		return healthy - max(expected-may, 0), true
	default:
		return healthy, true
	}
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
