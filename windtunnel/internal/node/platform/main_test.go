//go:build cluster

package platform_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s-scalers/windtunnel/internal/awaittest"
	"k8s-scalers/windtunnel/internal/controlplane"
	"k8s-scalers/windtunnel/internal/programs"
)

// namespace is where the platform is.
const namespace = "captions"

// patience is how long anything may take: an end to waiting, not a measure of speed.
const patience = 10 * time.Minute

// pause is between two looks.
const pause = 500 * time.Millisecond

// cluster is the one at hand.
type cluster struct{ *controlplane.Clients }

func connect(t *testing.T) cluster {
	t.Helper()
	kubeconfig := os.Getenv("KUBECONFIG")
	require.NotEmpty(t, kubeconfig, "KUBECONFIG names no cluster; make test-cluster makes one")
	clients, err := controlplane.NewClients(kubeconfig)
	require.NoError(t, err)
	return cluster{clients}
}

// replicas is what a Deployment has been told to run, and how many are ready.
func (c cluster) replicas(ctx context.Context, t require.TestingT, namespace, name string) (wanted, ready int) {
	d, err := c.Kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	require.NoError(t, err)
	return int(*d.Spec.Replicas), int(d.Status.ReadyReplicas)
}

// manifests builds a folder below deploy/.
func manifests(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	root, err := programs.Root(t.Context())
	require.NoError(t, err)
	objects, err := controlplane.Kustomize(filepath.Join(root, "..", "deploy", folder))
	require.NoError(t, err)
	return objects
}

// only is the one object of a kind.
func only(t *testing.T, objects []*unstructured.Unstructured, kind string) *unstructured.Unstructured {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == kind {
			return o
		}
	}
	require.Fail(t, "there is no "+kind)
	return nil
}

// eventually looks until a condition holds.
func eventually(t *testing.T, condition func(context.Context, require.TestingT)) {
	t.Helper()
	awaittest.Holds(t, patience, pause, condition)
}
