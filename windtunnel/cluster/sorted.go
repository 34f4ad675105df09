package cluster

import (
	"slices"

	corev1 "k8s.io/client-go/informers/core/v1"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// SortedPods is the informer of pods whose cache lists them by namespace and name. That of client-go lists them in the order of a
// Go map, and the ReplicaSet controller's order of the pods that go first has circles: of three pods each may be before the next, so which of
// them go depends on the order in which it gets them.
func (c *Cluster) SortedPods() corev1.PodInformer {
	return sortedPods{c.Informers.Core().V1().Pods().Informer()}
}

type sortedPods struct{ informer cache.SharedIndexInformer }

func (p sortedPods) Informer() cache.SharedIndexInformer { return sortedInformer{p.informer} }

func (p sortedPods) Lister() listers.PodLister {
	return listers.NewPodLister(p.Informer().GetIndexer())
}

type sortedInformer struct{ cache.SharedIndexInformer }

func (i sortedInformer) GetIndexer() cache.Indexer {
	return sortedIndexer{i.SharedIndexInformer.GetIndexer()}
}

type sortedIndexer struct{ cache.Indexer }

func (i sortedIndexer) List() []any { return sorted(i.Indexer.List()) }

func (i sortedIndexer) Index(name string, object any) ([]any, error) {
	found, err := i.Indexer.Index(name, object)
	return sorted(found), err
}

func (i sortedIndexer) ByIndex(name, value string) ([]any, error) {
	found, err := i.Indexer.ByIndex(name, value)
	return sorted(found), err
}

func sorted(objects []any) []any {
	slices.SortFunc(objects, func(a, b any) int {
		x, y := a.(Object), b.(Object)
		return compareNames(x.GetNamespace(), x.GetName(), y.GetNamespace(), y.GetName())
	})
	return objects
}
