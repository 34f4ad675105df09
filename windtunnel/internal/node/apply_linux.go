package node

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s-scalers/windtunnel/internal/controlplane"
)

// patience is how long pods may take to be ready: an end to waiting, not a measure of their speed.
const patience = 5 * time.Minute

// Apply applies a kustomization to the cluster, and returns when all pods that it asks for are ready.
func (c *Cluster) Apply(ctx context.Context, dir string, log *slog.Logger) error {
	clients, err := controlplane.NewClients(c.Kubeconfig)
	if err != nil {
		return err
	}
	objects, err := controlplane.Kustomize(dir)
	if err != nil {
		return err
	}
	if err := clients.Apply(ctx, objects...); err != nil {
		return err
	}
	for _, warning := range clients.Warnings() {
		log.Warn("The API server warns", "of", warning)
	}
	return awaitReady(ctx, clients, objects)
}

// awaitReady waits until those objects that have pods have them ready.
func awaitReady(ctx context.Context, clients *controlplane.Clients, objects []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, o := range objects {
		if kind := o.GetKind(); kind != "Deployment" && kind != "StatefulSet" {
			continue
		}
		for {
			err := allReady(ctx, clients, o)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s: %w%s", controlplane.Describe(o), err, complaints(clients, o.GetNamespace()))
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

// allReady is an error unless all pods of a Deployment or a StatefulSet are of its newest template and ready.
func allReady(ctx context.Context, clients *controlplane.Clients, o *unstructured.Unstructured) error {
	client, err := clients.Resource(o)
	if err != nil {
		return err
	}
	now, err := client.Get(ctx, o.GetName(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	number := func(fields ...string) int64 {
		n, _, _ := unstructured.NestedInt64(now.Object, fields...) // What is left out is none.
		return n
	}
	wanted, seen := number("spec", "replicas"), number("status", "observedGeneration") >= now.GetGeneration()
	if ready, updated := number("status", "readyReplicas"), number("status", "updatedReplicas"); !seen || ready != wanted || updated != wanted {
		return fmt.Errorf("%d of %d pods are new, and %d ready", updated, wanted, ready)
	}
	return nil
}

// complaints are what the cluster's parts have warned of last in a namespace.
func complaints(clients *controlplane.Clients, namespace string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	events, err := clients.Kube.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=" + corev1.EventTypeWarning})
	if err != nil || len(events.Items) == 0 {
		return ""
	}
	var text strings.Builder
	for _, e := range events.Items[max(0, len(events.Items)-8):] {
		_, _ = fmt.Fprintf(&text, "\n  %s %s: %s", e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Message)
	}
	return text.String()
}
