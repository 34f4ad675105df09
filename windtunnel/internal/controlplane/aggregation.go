package controlplane

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"

	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"
)

// API is one that another server serves.
type API struct{ Group, Version string }

// ExternalService makes a service whose name leads to this machine, where there are no pods behind a service: the
// API server then reaches webhooks and other API servers that run here, under the service's name.
func (cp *ControlPlane) ExternalService(ctx context.Context, namespace, name string) error {
	return cp.Apply(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service",
		"metadata": map[string]any{"namespace": namespace, "name": name},
		"spec":     map[string]any{"type": "ExternalName", "externalName": "localhost"},
	}})
}

// RegisterAPIs lets a server on a loopback port serve APIs, under the name of a service that is made for it, and waits
// until the API server has found it.
func (cp *ControlPlane) RegisterAPIs(ctx context.Context, namespace, service string, port int, apis ...API) error {
	if err := cp.ExternalService(ctx, namespace, service); err != nil {
		return err
	}
	for _, api := range apis {
		registration := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
			"metadata": map[string]any{"name": api.Version + "." + api.Group},
			"spec": map[string]any{
				"group": api.Group, "version": api.Version, "groupPriorityMinimum": int64(100), "versionPriority": int64(100),
				"service":  map[string]any{"namespace": namespace, "name": service, "port": int64(port)},
				"caBundle": base64.StdEncoding.EncodeToString(pkiutil.EncodeCertPEM(cp.pki.ca.cert)),
			},
		}}
		if err := cp.Apply(ctx, registration); err != nil {
			return err
		}
	}
	for _, api := range apis {
		if err := cp.AwaitAPI(ctx, api); err != nil {
			return err
		}
	}
	return nil
}

// AwaitAPI waits until the API server passes requests for an API on.
func (cp *ControlPlane) AwaitAPI(ctx context.Context, api API) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, startTimeout, true, func(ctx context.Context) (bool, error) {
		_, last = cp.Kube.Discovery().RESTClient().Get().AbsPath("/apis/" + api.Group + "/" + api.Version).DoRaw(ctx)
		return last == nil, nil
	})
	if err != nil {
		registration := &unstructured.Unstructured{}
		registration.SetAPIVersion("apiregistration.k8s.io/v1")
		registration.SetKind("APIService")
		resource, resourceErr := cp.Resource(registration)
		if resourceErr == nil {
			if found, err := resource.Get(ctx, api.Version+"."+api.Group, metav1.GetOptions{}); err == nil {
				return fmt.Errorf("API %s/%s cannot be reached: %w: %v", api.Group, api.Version, last, found.Object["status"])
			}
		}
		return fmt.Errorf("API %s/%s cannot be reached: %w", api.Group, api.Version, last)
	}
	return nil
}
