package vpa

import (
	"context"
	"encoding/json"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	client "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned/typed/autoscaling.k8s.io/v1"
	vpautil "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
	"k8s.io/client-go/tools/cache"
)

// store is the VerticalPodAutoscalers as the autoscaler's listers want them, and the client that writes to them.
type store struct{ cache.Indexer }

func newStore() store {
	return store{cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{
		cache.NamespaceIndex: cache.MetaNamespaceIndexFunc, vpautil.TargetRefIndex: vpautil.TargetRefIndexFunc,
	})}
}

// VerticalPodAutoscalers implements client.VerticalPodAutoscalersGetter.
func (s store) VerticalPodAutoscalers(namespace string) client.VerticalPodAutoscalerInterface {
	return patcher{store: s, namespace: namespace}
}

// patcher is the part of the client that the recommender uses; the rest of the interface is nil.
type patcher struct {
	client.VerticalPodAutoscalerInterface
	store     store
	namespace string
}

func (p patcher) Patch(_ context.Context, name string, kind types.PatchType, patch []byte, _ metav1.PatchOptions, subresources ...string) (*vpav1.VerticalPodAutoscaler, error) {
	if kind != types.JSONPatchType || len(subresources) != 1 || subresources[0] != "status" {
		return nil, fmt.Errorf("a patch of the type %s of %v is not part of this cluster", kind, subresources)
	}
	object, found, err := p.store.GetByKey(p.namespace + "/" + name)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, apierrors.NewNotFound(vpav1.Resource("verticalpodautoscalers"), name)
	}
	changed := object.(*vpav1.VerticalPodAutoscaler).DeepCopy()
	if err := apply(patch, changed); err != nil {
		return nil, err
	}
	return changed, p.store.Update(changed)
}

// apply changes an object by a JSON patch.
func apply(patch []byte, object any) error {
	operations, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return fmt.Errorf("read a patch: %w", err)
	}
	before, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("apply a patch: %w", err)
	}
	after, err := operations.Apply(before)
	if err != nil {
		return fmt.Errorf("apply a patch: %w", err)
	}
	return json.Unmarshal(after, object)
}
