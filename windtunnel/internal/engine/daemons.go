package engine

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/daemon"

	"k8s-scalers/windtunnel/cluster"
)

// daemons puts a pod of each DaemonSet on each node where the DaemonSet controller would: the rules and the pods are that controller's
// own. It itself creates pods in goroutines of their own, in an order that is chance. A pod is on its node before kube-scheduler gives
// the node to others, so that it always fits; the original would preempt others if it did not.
type daemons struct {
	run     *run
	sets    []*appsv1.DaemonSet
	changed *cluster.Changes // of nodes
	looked  time.Time
}

func newDaemons(r *run, w *world) *daemons {
	d := &daemons{run: r, changed: r.cluster.Changes(nodeResource)}
	for _, s := range w.daemons {
		d.sets = append(d.sets, s.object)
	}
	return d
}

// missing is how often all nodes are looked at for pods that have gone.
const missing = 10 * time.Second

func (d *daemons) step(now time.Time) error {
	if len(d.sets) == 0 {
		return nil
	}
	changed, all := d.changed.Take(), now.Sub(d.looked) >= missing
	if all {
		d.looked = now
	}
	for _, o := range d.run.cluster.Peek(nodeResource) {
		node := o.(*corev1.Node)
		if node.DeletionTimestamp != nil || !all && !slices.Contains(changed, types.NamespacedName{Name: node.Name}) {
			continue
		}
		for _, set := range d.sets {
			if err := d.place(set, node); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *daemons) place(set *appsv1.DaemonSet, node *corev1.Node) error {
	if slices.ContainsFunc(d.run.cluster.On(node.Name), func(pod *corev1.Pod) bool { return metav1.IsControlledBy(pod, set) }) {
		return nil
	}
	if should, _ := daemon.NodeShouldRunDaemonPod(klog.Background(), node, set); !should {
		return nil
	}
	pod := daemon.NewPod(set, node.Name).DeepCopy()
	pod.GenerateName = set.Name + "-"
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	_, err := d.run.cluster.Create(podResource, pod)
	return err
}
