package engine

import (
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"k8s-scalers/windtunnel/cluster"
)

var priorityResource = schema.GroupResource{Group: "scheduling.k8s.io", Resource: "priorityclasses"}

// systemPriorities are the classes that every cluster has.
var systemPriorities = map[string]int32{"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}

// setPriority gives a pod the value of its class, or of the default one, as the API server's admission of that name does.
func (r *run) setPriority(o cluster.Object) {
	pod, ok := o.(*corev1.Pod)
	if !ok || pod.Spec.Priority != nil {
		return
	}
	var value int32
	if system, found := systemPriorities[pod.Spec.PriorityClassName]; found {
		value = system
	}
	for _, o := range r.cluster.Peek(priorityResource) {
		class := o.(*schedulingv1.PriorityClass)
		if class.Name == pod.Spec.PriorityClassName || class.GlobalDefault && pod.Spec.PriorityClassName == "" {
			value = class.Value
			pod.Spec.PreemptionPolicy = class.PreemptionPolicy
		}
	}
	pod.Spec.Priority = &value
}
