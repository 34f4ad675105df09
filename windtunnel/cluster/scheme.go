package cluster

import (
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	appsv1 "k8s.io/kubernetes/pkg/apis/apps/v1"
	autoscalingv2 "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	corev1 "k8s.io/kubernetes/pkg/apis/core/v1"
	policyv1 "k8s.io/kubernetes/pkg/apis/policy/v1"
)

// NewScheme knows the types of Kubernetes and the defaults that its API server fills in.
func NewScheme(more ...func(*runtime.Scheme) error) (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	add := []func(*runtime.Scheme) error{
		clientscheme.AddToScheme, corev1.RegisterDefaults, appsv1.RegisterDefaults, autoscalingv2.RegisterDefaults,
		policyv1.RegisterDefaults,
	}
	for _, register := range append(add, more...) {
		if err := register(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}
