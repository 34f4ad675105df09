package vpa

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	controllerfetcher "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/target/controller_fetcher"
	listersv1 "k8s.io/client-go/listers/core/v1"

	"k8s-scalers/windtunnel/cluster"
)

var (
	deploymentResource = schema.GroupResource{Group: "apps", Resource: "deployments"}
	replicaSetResource = schema.GroupResource{Group: "apps", Resource: "replicasets"}
	podResource        = schema.GroupResource{Resource: "pods"}
)

// targets finds what a VerticalPodAutoscaler is about: Deployments.
type targets struct{ api *cluster.API }

// Fetch implements target.VpaTargetSelectorFetcher.
func (t targets) Fetch(_ context.Context, v *vpav1.VerticalPodAutoscaler) (labels.Selector, error) {
	ref := v.Spec.TargetRef
	if ref == nil || ref.Kind != "Deployment" {
		return nil, fmt.Errorf("only Deployments are modelled")
	}
	found, err := t.api.Look(deploymentResource, v.Namespace, ref.Name)
	if err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(found.(*appsv1.Deployment).Spec.Selector)
}

// FindTopMostWellKnownOrScalable implements controllerfetcher.ControllerFetcher: of a ReplicaSet it is the Deployment.
func (t targets) FindTopMostWellKnownOrScalable(_ context.Context, of *controllerfetcher.ControllerKeyWithAPIVersion) (*controllerfetcher.ControllerKeyWithAPIVersion, error) {
	if of == nil {
		return nil, nil //nolint:nilnil // the interface's way to say that there is none
	}
	resource := map[string]schema.GroupResource{"Deployment": deploymentResource, "ReplicaSet": replicaSetResource}[of.Kind]
	if resource.Empty() {
		return nil, fmt.Errorf("only Deployments are modelled, not %s", of.Kind)
	}
	found, err := t.api.Look(resource, of.Namespace, of.Name)
	if err != nil {
		return nil, err
	}
	owner := metav1.GetControllerOf(found)
	if owner == nil {
		return of, nil
	}
	return &controllerfetcher.ControllerKeyWithAPIVersion{
		ControllerKey: controllerfetcher.ControllerKey{Namespace: of.Namespace, Kind: owner.Kind, Name: owner.Name}, ApiVersion: owner.APIVersion,
	}, nil
}

// pods lists the pods that are not pending, which are those that the recommender watches.
type pods struct {
	listersv1.PodLister
	api *cluster.API
}

func (p pods) List(selector labels.Selector) ([]*corev1.Pod, error) {
	var list []*corev1.Pod
	for _, o := range p.api.Peek(podResource) {
		pod := o.(*corev1.Pod)
		if pod.Status.Phase != corev1.PodPending && selector.Matches(labels.Set(pod.Labels)) {
			list = append(list, pod)
		}
	}
	return list, nil
}
