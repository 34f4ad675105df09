package cluster

import (
	"cmp"
	"slices"
	"strconv"
	"sync"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/informers/core"
	corev1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// hearing is the informers of a cluster for somebody who acts only when it is his turn, and who hears then of all changes in the order in
// which they were made. Informers themselves tell of pods and of nodes in goroutines of their own, so that it is chance whether a new
// node or a pod on it is heard of first.
type hearing struct {
	informers.SharedInformerFactory

	mu   sync.Mutex
	news []news
}

// news is a change that has not been heard of yet.
type news struct {
	version int64
	tell    func()
}

// listen tells of all changes that have come.
func (h *hearing) listen() {
	h.mu.Lock()
	heard := h.news
	h.news = nil
	h.mu.Unlock()
	slices.SortStableFunc(heard, func(a, b news) int { return cmp.Compare(a.version, b.version) })
	for _, n := range heard {
		n.tell()
	}
}

func (h *hearing) note(object any, tell func()) {
	var version int64
	if o, ok := object.(Object); ok { // Nothing else comes: the watches of a store in memory never miss a deletion.
		version, _ = strconv.ParseInt(o.GetResourceVersion(), 10, 64)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.news = append(h.news, news{version, tell})
}

func (h *hearing) Core() core.Interface { return heardCore{h.SharedInformerFactory.Core(), h} }

type heardCore struct {
	core.Interface
	h *hearing
}

func (c heardCore) V1() corev1.Interface { return heardV1{c.Interface.V1(), c.h} }

type heardV1 struct {
	corev1.Interface
	h *hearing
}

func (v heardV1) Pods() corev1.TypedPodInformer { return heardPods{v.Interface.Pods(), v.h} }

func (v heardV1) Nodes() corev1.TypedNodeInformer { return heardNodes{v.Interface.Nodes(), v.h} }

type heardPods struct {
	corev1.TypedPodInformer
	h *hearing
}

func (p heardPods) Informer() cache.SharedIndexInformer {
	return heardInformer{p.TypedPodInformer.Informer(), p.h}
}

type heardNodes struct {
	corev1.TypedNodeInformer
	h *hearing
}

func (n heardNodes) Informer() cache.SharedIndexInformer {
	return heardInformer{n.TypedNodeInformer.Informer(), n.h}
}

type heardInformer struct {
	cache.SharedIndexInformer
	h *hearing
}

func (i heardInformer) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	return i.SharedIndexInformer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, initial bool) { i.h.note(object, func() { handler.OnAdd(object, initial) }) },
		UpdateFunc: func(before, object any) {
			i.h.note(object, func() { handler.OnUpdate(before, object) })
		},
		DeleteFunc: func(object any) { i.h.note(object, func() { handler.OnDelete(object) }) },
	})
}
