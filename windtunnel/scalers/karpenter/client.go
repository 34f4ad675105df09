package karpenter

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"k8s-scalers/windtunnel/cluster"
)

// apiClient is controller-runtime's client over the API of a cluster in memory. Reads see what was written last, which is
// what Karpenter waits for anyway.
type apiClient struct {
	api    *cluster.API
	scheme *runtime.Scheme
	// evict asks for the eviction of a pod.
	evict func(namespace, name string, options *metav1.DeleteOptions) error
}

var _ client.Client = (*apiClient)(nil)

// atOnce marks the context of what runs while others may act, too, and writes from several goroutines at once.
type atOnce struct{}

// turn waits, where the caller is not the only one who acts, until it may write.
func (c *apiClient) turn(ctx context.Context, resource schema.GroupResource, object client.Object) {
	if ctx.Value(atOnce{}) != nil {
		c.api.Turn(resource, object)
	}
}

var errNotSupported = errors.New("this cluster in memory does not support the call")

func (c *apiClient) resource(object runtime.Object) (schema.GroupResource, error) {
	kind, err := c.GroupVersionKindFor(object)
	if err != nil {
		return schema.GroupResource{}, err
	}
	return cluster.ResourceOf(kind.GroupKind()), nil
}

// store copies what the API answered into the caller's object.
func store(from cluster.Object, into client.Object) {
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(from).Elem())
}

func (c *apiClient) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	resource, err := c.resource(object)
	if err != nil {
		return err
	}
	found, err := c.api.Get(resource, key.Namespace, key.Name)
	if err == nil {
		store(found, object)
	}
	return err
}

func (c *apiClient) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	kind, err := apiutil.GVKForObject(list, c.scheme)
	if err != nil {
		return err
	}
	kind.Kind = kind.Kind[:len(kind.Kind)-len("List")]
	var found []runtime.Object
	for _, object := range c.candidates(kind, o) {
		matches, err := selected(object, o)
		if err != nil {
			return err
		}
		if matches {
			found = append(found, object.DeepCopyObject())
		}
	}
	return meta.SetList(list, found)
}

// candidates are all objects of a kind that an answer may have, in order.
func (c *apiClient) candidates(kind schema.GroupVersionKind, o client.ListOptions) []cluster.Object {
	var objects []cluster.Object
	switch kind.Kind {
	case "PodDisruptionBudget":
		for _, budget := range c.api.Budgets() {
			objects = append(objects, budget)
		}
	case "Pod":
		if o.FieldSelector != nil {
			// Asked for each node all the time.
			if node, exact := o.FieldSelector.RequiresExactMatch("spec.nodeName"); exact && node != "" {
				for _, pod := range c.api.On(node) {
					objects = append(objects, pod)
				}
				return objects
			}
		}
		return c.api.Peek(podResource)
	default:
		return c.api.Peek(cluster.ResourceOf(kind.GroupKind()))
	}
	return objects
}

func selected(object cluster.Object, o client.ListOptions) (bool, error) {
	if o.Namespace != "" && object.GetNamespace() != o.Namespace ||
		o.LabelSelector != nil && !o.LabelSelector.Matches(labels.Set(object.GetLabels())) {
		return false, nil
	}
	if o.FieldSelector == nil || o.FieldSelector.Empty() {
		return true, nil
	}
	set := fields.Set{}
	for _, r := range o.FieldSelector.Requirements() {
		value, err := field(object, r.Field)
		if err != nil {
			return false, err
		}
		set[r.Field] = value
	}
	return o.FieldSelector.Matches(set), nil
}

// field is the value of one of the indexes that Karpenter sets up.
func field(object cluster.Object, name string) (string, error) {
	var class *karpv1.NodeClassReference
	switch o := object.(type) {
	case *corev1.Pod:
		if name == "spec.nodeName" {
			return o.Spec.NodeName, nil
		}
	case *corev1.Node:
		if name == "spec.providerID" {
			return o.Spec.ProviderID, nil
		}
	case *storagev1.VolumeAttachment:
		if name == "spec.nodeName" {
			return o.Spec.NodeName, nil
		}
	case *karpv1.NodeClaim:
		if name == "status.providerID" {
			return o.Status.ProviderID, nil
		}
		class = o.Spec.NodeClassRef
	case *karpv1.NodePool:
		class = o.Spec.Template.Spec.NodeClassRef
	}
	switch {
	case class == nil:
	case name == "spec.nodeClassRef.group", name == "spec.template.spec.nodeClassRef.group":
		return class.Group, nil
	case name == "spec.nodeClassRef.kind", name == "spec.template.spec.nodeClassRef.kind":
		return class.Kind, nil
	case name == "spec.nodeClassRef.name", name == "spec.template.spec.nodeClassRef.name":
		return class.Name, nil
	}
	return "", fmt.Errorf("list %T by %s: %w", object, name, errNotSupported)
}

func (c *apiClient) Create(ctx context.Context, object client.Object, _ ...client.CreateOption) error {
	resource, err := c.resource(object)
	if err != nil {
		return err
	}
	c.turn(ctx, resource, object)
	created, err := c.api.Create(resource, object)
	if err == nil {
		store(created, object)
	}
	return err
}

func (c *apiClient) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	var o client.DeleteOptions
	o.ApplyOptions(options)
	resource, err := c.resource(object)
	if err != nil {
		return err
	}
	c.turn(ctx, resource, object)
	return c.api.Delete(resource, object.GetNamespace(), object.GetName(), *o.AsDeleteOptions())
}

func (c *apiClient) Update(ctx context.Context, object client.Object, _ ...client.UpdateOption) error {
	return c.update(ctx, object, "")
}

func (c *apiClient) update(ctx context.Context, object client.Object, subresource string) error {
	resource, err := c.resource(object)
	if err != nil {
		return err
	}
	c.turn(ctx, resource, object)
	return c.put(resource, subresource, object)
}

// put updates an object whose turn it is.
func (c *apiClient) put(resource schema.GroupResource, subresource string, object client.Object) error {
	updated, err := c.api.Update(resource, subresource, object)
	if err == nil {
		store(updated, object)
	}
	return err
}

func (c *apiClient) Patch(ctx context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return c.patch(ctx, object, patch, "")
}

func (c *apiClient) patch(ctx context.Context, object client.Object, patch client.Patch, subresource string) error {
	resource, err := c.resource(object)
	if err != nil {
		return err
	}
	c.turn(ctx, resource, object)
	// A patch is made of the difference to what was read. Where that is still there, the outcome is the object itself, and the
	// difference need not be computed, which takes ten times as long as the rest.
	if now, err := c.api.Look(resource, object.GetNamespace(), object.GetName()); err == nil && now.GetResourceVersion() == object.GetResourceVersion() &&
		patch.Type() == types.MergePatchType {
		return c.put(resource, subresource, wholeSeconds(object))
	}
	data, err := patch.Data(object)
	if err != nil {
		return err
	}
	patched, err := c.api.Patch(resource, subresource, object.GetNamespace(), object.GetName(), patch.Type(), data)
	if err == nil {
		store(patched, object)
	}
	return err
}

// wholeSeconds cuts the times of an object in place as JSON does.
func wholeSeconds(object client.Object) client.Object {
	var conditions []status.Condition
	switch o := object.(type) {
	case *karpv1.NodeClaim:
		conditions = o.Status.Conditions
		o.Status.LastPodEventTime = o.Status.LastPodEventTime.Rfc3339Copy()
	case *karpv1.NodePool:
		conditions = o.Status.Conditions
	}
	for i := range conditions {
		conditions[i].LastTransitionTime = conditions[i].LastTransitionTime.Rfc3339Copy()
	}
	return object
}

func (c *apiClient) Apply(context.Context, runtime.ApplyConfiguration, ...client.ApplyOption) error {
	return fmt.Errorf("apply: %w", errNotSupported)
}

func (c *apiClient) DeleteAllOf(context.Context, client.Object, ...client.DeleteAllOfOption) error {
	return fmt.Errorf("delete all of a kind: %w", errNotSupported)
}

func (c *apiClient) Scheme() *runtime.Scheme { return c.scheme }

func (c *apiClient) RESTMapper() meta.RESTMapper { return meta.NewDefaultRESTMapper(nil) }

func (c *apiClient) GroupVersionKindFor(object runtime.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(object, c.scheme)
}

func (c *apiClient) IsObjectNamespaced(object runtime.Object) (bool, error) {
	switch object.(type) {
	case *corev1.Node, *karpv1.NodeClaim, *karpv1.NodePool, *NodeClass:
		return false, nil
	}
	return true, nil
}

func (c *apiClient) Status() client.SubResourceWriter { return subresource{c, "status"} }

func (c *apiClient) SubResource(name string) client.SubResourceClient { return subresource{c, name} }

type subresource struct {
	*apiClient
	name string
}

func (s subresource) Get(context.Context, client.Object, client.Object, ...client.SubResourceGetOption) error {
	return fmt.Errorf("get %s: %w", s.name, errNotSupported)
}

func (s subresource) Create(_ context.Context, object, sub client.Object, _ ...client.SubResourceCreateOption) error {
	eviction, ok := sub.(*policyv1.Eviction)
	if !ok {
		return fmt.Errorf("create %s: %w", s.name, errNotSupported)
	}
	return s.evict(object.GetNamespace(), object.GetName(), eviction.DeleteOptions)
}

func (s subresource) Update(ctx context.Context, object client.Object, _ ...client.SubResourceUpdateOption) error {
	return s.update(ctx, object, s.name)
}

func (s subresource) Patch(ctx context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.patch(ctx, object, patch, s.name)
}

func (s subresource) Apply(context.Context, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	return fmt.Errorf("apply %s: %w", s.name, errNotSupported)
}
