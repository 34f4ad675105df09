package cluster

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// setPodCondition sets a condition; its time moves only when its status does.
func setPodCondition(pod *corev1.Pod, of corev1.PodConditionType, status corev1.ConditionStatus, reason string, now time.Time) {
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Type != of {
			continue
		}
		if c.Status != status {
			c.LastTransitionTime = metav1.NewTime(now)
		}
		c.Status, c.Reason, c.Message = status, reason, ""
		return
	}
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
		Type: of, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(now),
	})
}
