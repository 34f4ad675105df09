package cluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/testing"
)

// clientset is client-go's fake one with its own store bypassed: every call ends in api.
func clientset(api *API) *fake.Clientset {
	client := fake.NewSimpleClientset()
	client.PrependReactor("*", "*", func(action testing.Action) (bool, runtime.Object, error) {
		object, err := api.react(action)
		return true, object, err
	})
	client.PrependWatchReactor("*", func(action testing.Action) (bool, watch.Interface, error) {
		var since string
		if w, ok := action.(testing.WatchActionImpl); ok {
			since = w.ListOptions.ResourceVersion
		}
		w, err := api.store.watch(action.GetResource().GroupResource(), action.GetNamespace(), since)
		return true, w, err
	})
	return client
}

// react carries out one call of a clientset.
func (a *API) react(action testing.Action) (runtime.Object, error) {
	resource, namespace := action.GetResource().GroupResource(), action.GetNamespace()
	if resource.Resource == "events" {
		return discardEvent(action), nil
	}
	switch action := action.(type) {
	case testing.GetActionImpl:
		return nilIfFailed(a.Get(resource, namespace, action.GetName()))
	case testing.ListActionImpl:
		kind := action.GetKind()
		kind.Kind += "List"
		list, err := a.scheme.New(kind)
		if err != nil {
			return nil, err
		}
		return list, a.List(resource, namespace, list)
	case testing.CreateActionImpl:
		return a.reactCreate(action)
	case testing.UpdateActionImpl:
		object, ok := action.GetObject().(Object)
		if !ok {
			return nil, unexpected(action)
		}
		return nilIfFailed(a.Update(resource, action.GetSubresource(), object))
	case testing.PatchActionImpl:
		return nilIfFailed(a.Patch(resource, action.GetSubresource(), namespace, action.GetName(), action.GetPatchType(), action.GetPatch()))
	case testing.DeleteActionImpl:
		return nil, a.Delete(resource, namespace, action.GetName(), action.DeleteOptions)
	default:
		return nil, unexpected(action)
	}
}

func (a *API) reactCreate(action testing.CreateActionImpl) (runtime.Object, error) {
	switch object := action.GetObject().(type) {
	case *corev1.Binding:
		return object, a.Bind(object)
	case *policyv1.Eviction:
		return object, a.Evict(action.GetNamespace(), object.Name, object.DeleteOptions)
	case Object:
		if action.GetSubresource() != "" {
			return nil, unexpected(action)
		}
		if object.GetNamespace() == "" {
			object.SetNamespace(action.GetNamespace())
		}
		return nilIfFailed(a.Create(action.GetResource().GroupResource(), object))
	default:
		return nil, unexpected(action)
	}
}

// discardEvent accepts an event and forgets it: what matters of a decision is taken where it takes effect.
func discardEvent(action testing.Action) runtime.Object {
	if create, ok := action.(testing.CreateActionImpl); ok {
		return create.GetObject()
	}
	return &corev1.Event{}
}

func nilIfFailed(object Object, err error) (runtime.Object, error) {
	if err != nil {
		return nil, err
	}
	return object, nil
}

func unexpected(action testing.Action) error {
	return apierrors.NewMethodNotSupported(action.GetResource().GroupResource(),
		fmt.Sprintf("%s %s", action.GetVerb(), action.GetSubresource()))
}
