package cluster

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// allowance is how many pods may be disrupted under a budget now, and whether it covers the pod. Percentages count of the
// pods that exist and round up, as the disruption controller of Kubernetes does where the owner's scale is what exists.
func allowance(budget *policyv1.PodDisruptionBudget, pods []Object, pod *corev1.Pod) (allowed int, covers bool) {
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	if err != nil || !selector.Matches(labels.Set(pod.Labels)) {
		return 0, false
	}
	return budgetAllows(budget, pods), true
}

func budgetAllows(budget *policyv1.PodDisruptionBudget, pods []Object) int {
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	if err != nil {
		return 0
	}
	var healthy, expected int
	for _, o := range pods {
		other := o.(*corev1.Pod)
		if !selector.Matches(labels.Set(other.Labels)) || finished(other) {
			continue
		}
		expected++
		if other.DeletionTimestamp == nil && podutil.IsPodReady(other) {
			healthy++
		}
	}
	switch spec := budget.Spec; {
	case spec.MinAvailable != nil:
		need, err := intstr.GetScaledValueFromIntOrPercent(spec.MinAvailable, expected, true)
		if err != nil {
			return 0
		}
		return healthy - need
	case spec.MaxUnavailable != nil:
		may, err := intstr.GetScaledValueFromIntOrPercent(spec.MaxUnavailable, expected, true)
		if err != nil {
			return 0
		}
		return healthy - max(expected-may, 0)
	default:
		return healthy
	}
}

// budgets is what was found when somebody last asked, and the version of pods and budgets at that time.
type budgets struct {
	version int64
	found   []*policyv1.PodDisruptionBudget
}

// Budgets are the disruption budgets with how many disruptions they allow now, which the disruption controller would say in
// their status. They are shared and must not be changed.
func (a *API) Budgets() []*policyv1.PodDisruptionBudget {
	var found []*policyv1.PodDisruptionBudget
	_ = a.store.transact(func(t txn) error {
		version := max(t.s.kind(pdbResource).version, t.s.kind(podResource).version)
		if version == a.budgets.version {
			found = a.budgets.found
			return nil
		}
		for _, o := range t.list(pdbResource, "") {
			budget := o.(*policyv1.PodDisruptionBudget).DeepCopy()
			allowed := budgetAllows(budget, t.list(podResource, budget.Namespace))
			budget.Status.DisruptionsAllowed = int32(max(allowed, 0))
			found = append(found, budget)
		}
		a.budgets = budgets{version, found}
		return nil
	})
	return found
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
