package cluster

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// Changes remembers which objects of a kind were created, changed or deleted, for parts that look at them when it is their
// turn.
type Changes struct {
	api  *API
	keys map[types.NamespacedName]struct{}
}

// Changes of a kind from now on, beginning with what there is.
func (a *API) Changes(resource schema.GroupResource) *Changes {
	c := &Changes{api: a, keys: map[types.NamespacedName]struct{}{}}
	for _, object := range a.Peek(resource) {
		c.keys[types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}] = struct{}{}
	}
	a.store.listen(resource, func(_ watch.EventType, object Object) {
		c.keys[types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}] = struct{}{}
	})
	return c
}

// Take returns what has changed since the last call, sorted by namespace and name.
func (c *Changes) Take() []types.NamespacedName {
	var keys []types.NamespacedName
	_ = c.api.store.transact(func(txn) error {
		for key := range c.keys {
			keys = append(keys, key)
		}
		clear(c.keys)
		return nil
	})
	slices.SortFunc(keys, func(a, b types.NamespacedName) int { return compareNames(a.Namespace, a.Name, b.Namespace, b.Name) })
	return keys
}
