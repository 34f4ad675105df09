package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// unbound keeps the pods that have no node, so that nobody must look through all pods for them.
type unbound map[types.NamespacedName]*corev1.Pod

func (u unbound) listen(event watch.EventType, object Object) {
	pod := object.(*corev1.Pod)
	key := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
	if event == watch.Deleted || pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		delete(u, key)
		return
	}
	u[key] = pod
}

// Unbound are the pods that wait for a node, the oldest first. They are shared and must not be changed.
func (a *API) Unbound() []*corev1.Pod {
	var pods []*corev1.Pod
	_ = a.store.transact(func(txn) error {
		for _, pod := range a.waiting {
			pods = append(pods, pod)
		}
		return nil
	})
	slices.SortFunc(pods, func(x, y *corev1.Pod) int {
		if c := x.CreationTimestamp.Compare(y.CreationTimestamp.Time); c != 0 {
			return c
		}
		return compareNames(x.Namespace, x.Name, y.Namespace, y.Name)
	})
	return pods
}

// bound keeps the pods of each node.
type bound map[string]map[types.NamespacedName]*corev1.Pod

func (b bound) listen(event watch.EventType, object Object) {
	pod := object.(*corev1.Pod)
	if pod.Spec.NodeName == "" {
		return
	}
	pods := b[pod.Spec.NodeName]
	key := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
	if event != watch.Deleted {
		if pods == nil {
			pods = map[types.NamespacedName]*corev1.Pod{}
			b[pod.Spec.NodeName] = pods
		}
		pods[key] = pod
		return
	}
	delete(pods, key)
	if len(pods) == 0 {
		delete(b, pod.Spec.NodeName)
	}
}

// On are the pods of a node, sorted by namespace and name. They are shared and must not be changed.
func (a *API) On(node string) []*corev1.Pod {
	var pods []*corev1.Pod
	_ = a.store.transact(func(txn) error {
		for _, pod := range a.placed[node] {
			pods = append(pods, pod)
		}
		return nil
	})
	slices.SortFunc(pods, func(x, y *corev1.Pod) int { return compareNames(x.Namespace, x.Name, y.Namespace, y.Name) })
	return pods
}
