package engine

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// preflight implements nodes: it says which pods fit no node that there can be.
func (f *fleet) preflight(w *world) {
	for _, d := range w.deployments {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: d.object.Namespace, Labels: d.object.Spec.Template.Labels},
			Spec:       d.object.Spec.Template.Spec,
		}
		var refused []string
		for _, g := range f.groups {
			why := misfit(pod, f.template(g))
			if why == "" {
				refused = nil
				break
			}
			refused = append(refused, fmt.Sprintf("%s (%s): %s", g.spec.Name, g.spec.Type, why))
		}
		fits := len(f.groups) > 0 && len(refused) == 0
		if f.pools != nil && !fits {
			why := f.pools.misfits(pod)
			fits = len(why) == 0
			refused = append(refused, why...)
		}
		if !fits {
			f.run.warn(d.source, "its pods can never run: they fit no node, even an empty one. "+strings.Join(refused, "; "), "spec", "template", "spec")
		}
	}
}

// misfit is why a pod does not fit a node that has no other pods; empty when it does.
func misfit(pod *corev1.Pod, node *corev1.Node) string {
	info := framework.NewNodeInfo()
	info.SetNode(node)
	var why []string
	for _, result := range scheduler.AdmissionCheck(pod, info, true) {
		if r := result.InsufficientResource; r != nil {
			why = append(why, fmt.Sprintf("insufficient %s (%s requested, %s allocatable)",
				r.ResourceName, amountOf(r.ResourceName, r.Requested), amountOf(r.ResourceName, r.Capacity)))
			continue
		}
		why = append(why, result.Reason)
	}
	matters := func(t *corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }
	if taint, found := schedulinghelpers.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, pod.Spec.Tolerations, matters, false); found {
		why = append(why, fmt.Sprintf("taint %s is not tolerated", taint.ToString()))
	}
	return strings.Join(why, ", ")
}

// amountOf is a number of the scheduler as people write it.
func amountOf(name corev1.ResourceName, n int64) string {
	switch name {
	case corev1.ResourceCPU:
		return fmt.Sprintf("%dm", n)
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return fmt.Sprintf("%dMi", n>>20)
	}
	return fmt.Sprint(n)
}
