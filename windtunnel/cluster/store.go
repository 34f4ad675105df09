package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// Object is what a store holds.
type Object interface {
	runtime.Object
	metav1.Object
}

// store holds the objects of the cluster and tells watchers about changes. What is in it is never changed in place:
// readers share it, writers put a new object. It knows versions, but none of the rules of the API; those are in api.go.
type store struct {
	mu      sync.Mutex
	version int64
	kinds   map[schema.GroupResource]*kind
	// disturb is called where goroutines may overtake each other.
	disturb func()
}

type kind struct {
	objects map[types.NamespacedName]Object
	// sorted is the same by namespace and name.
	sorted []Object
	// version is when something of it changed last.
	version  int64
	watchers []*watcher
	// listeners are called in the order of changes, while the store is locked.
	listeners []func(watch.EventType, Object)
}

func newStore() *store {
	return &store{kinds: map[schema.GroupResource]*kind{}, disturb: func() {}}
}

func (s *store) kind(of schema.GroupResource) *kind {
	k := s.kinds[of]
	if k == nil {
		k = &kind{objects: map[types.NamespacedName]Object{}}
		s.kinds[of] = k
	}
	return k
}

// transact runs change with the store locked. Everything else in this file that is called through a txn needs the lock.
func (s *store) transact(change func(txn) error) error {
	s.disturb()
	s.mu.Lock()
	defer s.mu.Unlock()
	return change(txn{s})
}

type txn struct{ s *store }

// get returns the stored object, which must not be changed.
func (t txn) get(resource schema.GroupResource, key types.NamespacedName) (Object, error) {
	object, found := t.s.kind(resource).objects[key]
	if !found {
		return nil, apierrors.NewNotFound(resource, key.Name)
	}
	return object, nil
}

// list returns the stored objects of a namespace, or of all, sorted by namespace and name.
func (t txn) list(resource schema.GroupResource, namespace string) []Object {
	sorted := t.s.kind(resource).sorted
	if namespace == "" {
		return slices.Clone(sorted)
	}
	from, _ := find(sorted, namespace, "")
	until := from
	for until < len(sorted) && sorted[until].GetNamespace() == namespace {
		until++
	}
	return slices.Clone(sorted[from:until])
}

// find is where an object is, or belongs, in the sorted ones.
func find(sorted []Object, namespace, name string) (at int, found bool) {
	return slices.BinarySearchFunc(sorted, name, func(o Object, _ string) int {
		return compareNames(o.GetNamespace(), o.GetName(), namespace, name)
	})
}

// put stores a new version of an object, which belongs to the store from then on.
func (t txn) put(resource schema.GroupResource, object Object) {
	k := t.s.kind(resource)
	key := types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
	event := watch.Added
	if at, found := find(k.sorted, key.Namespace, key.Name); found {
		event, k.sorted[at] = watch.Modified, object
	} else {
		k.sorted = slices.Insert(k.sorted, at, object)
	}
	t.s.version++
	k.version = t.s.version
	object.SetResourceVersion(strconv.FormatInt(t.s.version, 10))
	k.objects[key] = object
	k.tell(event, object)
}

// remove takes an object out of the store.
func (t txn) remove(resource schema.GroupResource, object Object) {
	k := t.s.kind(resource)
	delete(k.objects, types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()})
	if at, found := find(k.sorted, object.GetNamespace(), object.GetName()); found {
		k.sorted = slices.Delete(k.sorted, at, at+1)
	}
	t.s.version++
	k.version = t.s.version
	last := object.DeepCopyObject().(Object)
	last.SetResourceVersion(strconv.FormatInt(t.s.version, 10))
	k.tell(watch.Deleted, last)
}

func (k *kind) tell(event watch.EventType, object Object) {
	for _, listen := range k.listeners {
		listen(event, object)
	}
	live := k.watchers[:0]
	for _, w := range k.watchers {
		if w.stopped() {
			continue
		}
		live = append(live, w)
		if w.namespace == "" || w.namespace == object.GetNamespace() {
			w.push(watch.Event{Type: event, Object: object})
		}
	}
	clear(k.watchers[len(live):])
	k.watchers = live
}

// listen calls back on every change of a kind, with the store locked: the callback must neither block nor use the store.
func (s *store) listen(resource schema.GroupResource, callback func(watch.EventType, Object)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kind(resource)
	k.listeners = append(k.listeners, callback)
}

// watch starts a watch with everything that is newer than a version.
func (s *store) watch(resource schema.GroupResource, namespace, since string) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var after int64
	if since != "" {
		var err error
		if after, err = strconv.ParseInt(since, 10, 64); err != nil {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("resource version %q is not a number", since))
		}
	}
	w := newWatcher(namespace, s.disturb)
	for _, object := range (txn{s}).list(resource, namespace) {
		if version, _ := strconv.ParseInt(object.GetResourceVersion(), 10, 64); version > after {
			w.push(watch.Event{Type: watch.Added, Object: object})
		}
	}
	k := s.kind(resource)
	k.watchers = append(k.watchers, w)
	return w, nil
}

// fill puts deep copies of objects into a list and gives it the version of the store.
func (t txn) fill(list runtime.Object, objects []Object) error {
	copies := make([]runtime.Object, len(objects))
	for i, object := range objects {
		copies[i] = object.DeepCopyObject()
	}
	if err := meta.SetList(list, copies); err != nil {
		return err
	}
	accessor, err := meta.ListAccessor(list)
	if err != nil {
		return err
	}
	accessor.SetResourceVersion(strconv.FormatInt(t.s.version, 10))
	return nil
}

// watcher hands events to one reader in order, however slow it is.
type watcher struct {
	namespace string
	disturb   func()
	results   chan watch.Event
	done      chan struct{}
	stop      sync.Once

	mu      sync.Mutex
	pending []watch.Event
	wake    chan struct{}
}

func newWatcher(namespace string, disturb func()) *watcher {
	w := &watcher{
		namespace: namespace,
		disturb:   disturb,
		results:   make(chan watch.Event),
		done:      make(chan struct{}),
		wake:      make(chan struct{}, 1),
	}
	go w.run()
	return w
}

func (w *watcher) ResultChan() <-chan watch.Event { return w.results }

func (w *watcher) Stop() { w.stop.Do(func() { close(w.done) }) }

func (w *watcher) stopped() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

func (w *watcher) push(event watch.Event) {
	w.mu.Lock()
	w.pending = append(w.pending, event)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) run() {
	defer close(w.results)
	for {
		w.mu.Lock()
		batch := w.pending
		w.pending = nil
		w.mu.Unlock()
		for _, event := range batch {
			w.disturb()
			select {
			case w.results <- event:
			case <-w.done:
				return
			}
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-w.wake:
		case <-w.done:
			return
		}
	}
}
