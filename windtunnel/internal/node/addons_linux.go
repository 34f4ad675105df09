package node

import (
	"context"
	_ "embed" // The manifest of CoreDNS.
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"

	"k8s-scalers/windtunnel/internal/controlplane"
	"k8s-scalers/windtunnel/internal/programs"
)

// dnsIP is the address of CoreDNS's service, as its manifest says.
const dnsIP = "10.96.0.10"

//go:embed addons/coredns.yaml
var coreDNS []byte

// startAddons applies CoreDNS and metrics-server and waits until both serve.
func (s *supervisor) startAddons(ctx context.Context) error {
	objects, err := controlplane.Decode(coreDNS)
	if err != nil {
		return fmt.Errorf("manifest of CoreDNS: %w", err)
	}
	metrics, err := metricsServer(ctx)
	if err != nil {
		return fmt.Errorf("manifest of metrics-server: %w", err)
	}
	if err := s.cp.Apply(ctx, append(objects, metrics...)...); err != nil {
		return err
	}
	if err := awaitReady(ctx, s.cp.Clients, append(objects, metrics...)); err != nil {
		return err
	}
	return s.cp.AwaitAPI(ctx, controlplane.API{Group: "metrics.k8s.io", Version: "v1beta1"})
}

// metricsServer is what its module says, with our image.
func metricsServer(ctx context.Context) ([]*unstructured.Unstructured, error) {
	dir, err := programs.ModuleDir(ctx, programs.MetricsServer(), "sigs.k8s.io/metrics-server")
	if err != nil {
		return nil, err
	}
	objects, err := controlplane.Kustomize(filepath.Join(dir, "manifests", "base"))
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if o.GetKind() != "Deployment" {
			continue
		}
		containers, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		if err != nil {
			return nil, err
		}
		container := containers[0].(map[string]any)
		container["image"] = "captions-node/metrics-server:dev"
		// Kubelets sign their certificates themselves, as they do with kubeadm.
		container["args"] = append(container["args"].([]any), "--kubelet-insecure-tls")
		container["command"] = []any{"/metrics-server"}
		if err := unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// ready is an error until a node says that it takes pods.
func ready(ctx context.Context, client kubernetes.Interface, name string) error {
	n, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			return fmt.Errorf("the node is not ready: %s", c.Message)
		}
		if c.Type == corev1.NodeReady {
			return nil
		}
	}
	return fmt.Errorf("the node says nothing of itself")
}
