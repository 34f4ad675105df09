package controlplane

import (
	"context"
	"fmt"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
)

// fieldManager is who owns the fields that are applied.
const fieldManager = "controlplane"

// Apply applies objects in their order, with strict validation: a field that the API does not know is an error. It
// waits until the kinds that a custom resource definition defines are there.
func (c *Clients) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	return c.apply(ctx, objects, metav1.PatchOptions{FieldManager: fieldManager, FieldValidation: metav1.FieldValidationStrict, Force: new(true)})
}

// DryRun asks the API server whether it would accept objects, as [Clients.Apply] would apply them.
func (c *Clients) DryRun(ctx context.Context, objects ...*unstructured.Unstructured) error {
	return c.apply(ctx, objects, metav1.PatchOptions{
		FieldManager: fieldManager, FieldValidation: metav1.FieldValidationStrict, Force: new(true), DryRun: []string{metav1.DryRunAll},
	})
}

func (c *Clients) apply(ctx context.Context, objects []*unstructured.Unstructured, opts metav1.PatchOptions) error {
	for _, o := range objects {
		resource, err := c.Resource(o)
		if err != nil {
			return fmt.Errorf("%s: %w", Describe(o), err)
		}
		data, err := o.MarshalJSON()
		if err != nil {
			return fmt.Errorf("%s: %w", Describe(o), err)
		}
		applied, err := resource.Patch(ctx, o.GetName(), types.ApplyPatchType, data, opts)
		if err != nil {
			return fmt.Errorf("%s: %w", Describe(o), err)
		}
		if applied.GetKind() == "CustomResourceDefinition" && len(opts.DryRun) == 0 {
			if err := c.established(ctx, resource, o.GetName()); err != nil {
				return fmt.Errorf("%s: %w", Describe(o), err)
			}
		}
	}
	return nil
}

// Resource returns the client for the kind and the namespace of an object.
func (c *Clients) Resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := o.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if apimeta.IsNoMatchError(err) {
		// It may have been defined since the mapper last asked.
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, err
	}
	client := c.Dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() != apimeta.RESTScopeNameNamespace {
		return client, nil
	}
	if o.GetNamespace() == "" {
		return client.Namespace(metav1.NamespaceDefault), nil
	}
	return client.Namespace(o.GetNamespace()), nil
}

// established waits until a custom resource definition has taken effect.
func (c *Clients) established(ctx context.Context, client dynamic.ResourceInterface, name string) error {
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, startTimeout, true, func(ctx context.Context) (bool, error) {
		crd, err := client.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		// There is no list until there is a first condition.
		conditions, _, err := unstructured.NestedFieldNoCopy(crd.Object, "status", "conditions")
		if err != nil {
			return false, err
		}
		list, _ := conditions.([]any)
		for _, c := range list {
			if c, ok := c.(map[string]any); ok && c["type"] == "Established" && c["status"] == "True" {
				return true, nil
			}
		}
		return false, nil
	})
}

// Describe names an object as people do: HorizontalPodAutoscaler captions/auth-service.
func Describe(o *unstructured.Unstructured) string {
	if o.GetNamespace() == "" {
		return o.GetKind() + " " + o.GetName()
	}
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}
