package cluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/scale"
)

var deploymentResource = schema.GroupResource{Group: "apps", Resource: "deployments"}

// Scales gives scalers the scale subresource of Deployments.
type Scales struct {
	API *API
	// Scaled is told about each change.
	Scaled func(namespace, name string, from, to int32)
}

var _ scale.ScalesGetter = Scales{}

// Mapper knows the kinds that have a scale.
func Mapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{appsv1.SchemeGroupVersion})
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	return mapper
}

// Scales implements scale.ScalesGetter.
func (s Scales) Scales(namespace string) scale.ScaleInterface { return scales{s, namespace} }

type scales struct {
	Scales
	namespace string
}

func (s scales) Get(_ context.Context, resource schema.GroupResource, name string, _ metav1.GetOptions) (*autoscalingv1.Scale, error) {
	if resource != deploymentResource {
		return nil, apierrors.NewNotFound(resource, name)
	}
	object, err := s.API.Look(resource, s.namespace, name)
	if err != nil {
		return nil, err
	}
	deployment := object.(*appsv1.Deployment)
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil {
		return nil, err
	}
	result := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: s.namespace, UID: deployment.UID, ResourceVersion: deployment.ResourceVersion,
	}}
	if deployment.Spec.Replicas != nil {
		result.Spec.Replicas = *deployment.Spec.Replicas
	}
	result.Status = autoscalingv1.ScaleStatus{Replicas: deployment.Status.Replicas, Selector: selector.String()}
	return result, nil
}

func (s scales) Update(_ context.Context, resource schema.GroupResource, scale *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	if resource != deploymentResource {
		return nil, apierrors.NewNotFound(resource, scale.Name)
	}
	defer s.API.turns.take(turnOf(resource, s.namespace, scale.Name))
	return scale, s.API.Scale(s.namespace, scale.Name, scale.Spec.Replicas, s.Scaled)
}

func (s scales) Patch(context.Context, schema.GroupVersionResource, string, types.PatchType, []byte, metav1.PatchOptions) (*autoscalingv1.Scale, error) {
	return nil, fmt.Errorf("patching a scale is not part of this cluster")
}

// Scale sets the replicas of a Deployment and tells about it if that is a change.
func (a *API) Scale(namespace, name string, to int32, scaled func(namespace, name string, from, to int32)) error {
	from := to
	err := a.Change(deploymentResource, namespace, name, func(object Object) {
		deployment := object.(*appsv1.Deployment)
		if deployment.Spec.Replicas != nil {
			from = *deployment.Spec.Replicas
		}
		if from != to {
			deployment.Spec.Replicas = &to
			deployment.Generation++
		}
	})
	if err == nil && from != to && scaled != nil {
		scaled(namespace, name, from, to)
	}
	return err
}
