package cluster

import (
	"slices"
	"sync"

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
	return &sortedIndexer{Indexer: i.SharedIndexInformer.GetIndexer(), last: map[[2]string]ordered{}}
}

// sortedIndexer sorts what is found anew only when other objects are found than the last time: a controller lists thousands of pods for each of
// its looks, most of which are as they were. What it returns must not be changed.
type sortedIndexer struct {
	cache.Indexer
	mu   sync.Mutex
	last map[[2]string]ordered // by the name of an index and the value in it
}

// ordered is objects in their order, and which they are. An object that changes becomes another one.
type ordered struct {
	objects []any
	has     map[any]bool
}

func (i *sortedIndexer) List() []any { return i.sorted("", "", i.Indexer.List()) }

func (i *sortedIndexer) Index(name string, object any) ([]any, error) {
	if valuesOf := i.GetIndexers()[name]; valuesOf != nil {
		if values, err := valuesOf(object); err == nil && len(values) == 1 {
			return i.ByIndex(name, values[0])
		}
	}
	found, err := i.Indexer.Index(name, object)
	return inOrder(found), err
}

func (i *sortedIndexer) ByIndex(name, value string) ([]any, error) {
	found, err := i.Indexer.ByIndex(name, value)
	if err != nil {
		return nil, err
	}
	return i.sorted(name, value, found), nil
}

func (i *sortedIndexer) sorted(name, value string, found []any) []any {
	i.mu.Lock()
	defer i.mu.Unlock()
	key := [2]string{name, value}
	last := i.last[key]
	if len(found) == len(last.objects) && !slices.ContainsFunc(found, func(o any) bool { return !last.has[o] }) {
		return last.objects
	}
	has := make(map[any]bool, len(found))
	for _, o := range found {
		has[o] = true
	}
	i.last[key] = ordered{inOrder(found), has}
	return found
}

func inOrder(objects []any) []any {
	slices.SortFunc(objects, func(a, b any) int {
		x, y := a.(Object), b.(Object)
		return compareNames(x.GetNamespace(), x.GetName(), y.GetNamespace(), y.GetName())
	})
	return objects
}
