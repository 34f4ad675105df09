package cas

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/resource"
)

func controller(pod *corev1.Pod) *metav1.OwnerReference { return metav1.GetControllerOf(pod) }

func isDaemon(pod *corev1.Pod) bool {
	if owner := controller(pod); owner != nil && owner.Kind == "DaemonSet" {
		return true
	}
	return pod.Annotations["cluster-autoscaler.kubernetes.io/daemonset-pod"] == "true"
}

func isMirror(pod *corev1.Pod) bool {
	_, found := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return found
}

func isStatic(pod *corev1.Pod) bool {
	source := pod.Annotations["kubernetes.io/config.source"]
	return source != "" && source != "api"
}

func priority(pod *corev1.Pod) int {
	if pod.Spec.Priority == nil {
		return 0
	}
	return int(*pod.Spec.Priority)
}

func requests(pod *corev1.Pod) (milliCPU, memory int64) {
	list := resource.PodRequests(pod, resource.PodResourcesOptions{})
	return list.Cpu().MilliValue(), list.Memory().Value()
}

// longTerminating is a pod that should have been gone a while ago; the original no longer counts it.
func longTerminating(pod *corev1.Pod, now time.Time) bool {
	if pod.DeletionTimestamp == nil {
		return false
	}
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if pod.Spec.TerminationGracePeriodSeconds != nil {
		grace = *pod.Spec.TerminationGracePeriodSeconds
	}
	const extra = 30 * time.Second
	return pod.DeletionTimestamp.Add(time.Duration(grace)*time.Second + extra).Before(now)
}

// key names a pod.
func key(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }

// alive leaves out what has run to its end, and sorts by name, so that nothing depends on who lists them.
func alive(pods []*corev1.Pod) []*corev1.Pod {
	kept := make([]*corev1.Pod, 0, len(pods))
	for _, pod := range pods {
		if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			kept = append(kept, pod)
		}
	}
	slices.SortFunc(kept, func(a, b *corev1.Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return kept
}

// unschedulable is a pod that the scheduler has given up on for now. One that it has not looked at yet, or that is held
// back by a scheduling gate, is none.
func unschedulable(pod *corev1.Pod) bool {
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		return false
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			return condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable
		}
	}
	return false
}

// unbound is a copy of a pod that is on its way from one node to another.
func unbound(pod *corev1.Pod) *corev1.Pod {
	free := *pod
	free.Spec.NodeName = ""
	return &free
}
