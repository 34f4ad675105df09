//go:build autoscalers

package proof_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s-scalers/windtunnel/internal/awaittest"
	"k8s-scalers/windtunnel/internal/controlplane"
	"k8s-scalers/windtunnel/internal/process"
	"k8s-scalers/windtunnel/internal/programs"
)

// patience is how long anything may take that a controller does: an end to waiting, not a measure of its speed.
const patience = 10 * time.Minute

// pause is between two looks.
const pause = 100 * time.Millisecond

// cluster is a control plane for one proof.
type cluster struct {
	*controlplane.ControlPlane
}

func newCluster(t *testing.T, flags map[string][]string) cluster {
	t.Helper()
	build(t, programs.Components())
	// On a starved machine kwok's heartbeats come late. Its pods, once taken for not ready, would stay so.
	flags = maps.Clone(flags)
	if flags == nil {
		flags = map[string][]string{}
	}
	flags[controlplane.Controller] = append([]string{"--node-monitor-grace-period=1h"}, flags[controlplane.Controller]...)
	cp, err := controlplane.Start(t.Context(), controlplane.Options{
		Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Flags: flags,
	})
	require.NoError(t, err)
	t.Cleanup(cp.Close)
	return cluster{cp}
}

// startKwok lets kwok stand in for kubelets: nodes are ready, pods run as soon as they are bound. What else kubelets do that
// a proof depends on is in stages of our own, files in testdata/kwok.
func (c cluster) startKwok(t *testing.T, ours ...string) {
	t.Helper()
	path := build(t, programs.Kwok())
	dir, err := programs.ModuleDir(t.Context(), programs.Kwok(), "sigs.k8s.io/kwok")
	require.NoError(t, err)
	args := []string{"--kubeconfig=" + c.Kubeconfig, "--manage-all-nodes=true", "--cidr=10.244.0.0/16", "--node-ip=192.0.2.2", "--node-port=0"}
	// Without the stage that completes the pods of Jobs at once: those here work until there is nothing to do.
	for _, stage := range []string{
		"node/fast/node-initialize.yaml", "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
		"pod/fast/pod-ready.yaml", "pod/fast/pod-delete.yaml",
	} {
		args = append(args, "--config="+filepath.Join(dir, "kustomize", "stage", stage))
	}
	for _, stage := range ours {
		path, err := filepath.Abs(filepath.Join("testdata", "kwok", stage))
		require.NoError(t, err)
		args = append(args, "--config="+path)
	}
	_, err = c.Run(process.Spec{Name: "kwok", Path: path, Args: args})
	require.NoError(t, err)
}

// addNodes makes nodes that are large enough for everything.
func (c cluster) addNodes(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		size := corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("256"), corev1.ResourceMemory: resource.MustParse("1Ti"),
			corev1.ResourceEphemeralStorage: resource.MustParse("10Ti"), corev1.ResourcePods: resource.MustParse("1000"),
		}
		_, err := c.Kube.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%d", i), Labels: map[string]string{
				corev1.LabelHostname: fmt.Sprintf("node-%d", i), corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux",
				corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i),
			}},
			Status: corev1.NodeStatus{Allocatable: size, Capacity: size},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
}

// addNamespace makes a namespace that holds pods to the restricted standard, as the overlays do.
func (c cluster) addNamespace(t *testing.T, name string) {
	t.Helper()
	_, err := c.Kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	// Until the account that pods run as by default is there, none are accepted.
	eventually(t, func(ctx context.Context, t require.TestingT) {
		_, err := c.Kube.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		require.NoError(t, err)
	})
}

// apply applies manifests, moved into a namespace; empty leaves them where they are.
func (c cluster) apply(t *testing.T, namespace string, objects []*unstructured.Unstructured) {
	t.Helper()
	for _, o := range objects {
		if namespace != "" {
			move(o, namespace)
		}
		require.NoError(t, c.Apply(t.Context(), o))
	}
}

// move puts an object, and the accounts that it gives rights to, into another namespace.
func move(o *unstructured.Unstructured, namespace string) {
	if o.GetKind() != "ClusterRole" && o.GetKind() != "ClusterRoleBinding" && o.GetKind() != "CustomResourceDefinition" {
		o.SetNamespace(namespace)
	}
}

// replicas is what a Deployment has been told to run, and how many are ready.
func (c cluster) replicas(ctx context.Context, t require.TestingT, namespace, name string) (wanted, ready int) {
	d, err := c.Kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	require.NoError(t, err)
	return int(*d.Spec.Replicas), int(d.Status.ReadyReplicas)
}

// awaitReplicas waits until a Deployment has been told to run that many, and all are ready.
func (c cluster) awaitReplicas(t *testing.T, namespace, name string, want int, why string) {
	t.Helper()
	eventually(t, func(ctx context.Context, t require.TestingT) {
		wanted, ready := c.replicas(ctx, t, namespace, name)
		require.Equal(t, want, wanted, "replicas wanted: %s", why)
		require.Equal(t, want, ready, "replicas ready: %s", why)
	})
}

// eventually looks until a condition holds; what it found wrong when it looked last is told in the end.
func eventually(t *testing.T, condition func(context.Context, require.TestingT)) {
	t.Helper()
	awaittest.Holds(t, patience, pause, condition)
}

// manifests builds a folder below deploy/.
func manifests(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := controlplane.Kustomize(filepath.Join(deploy(t), folder))
	require.NoError(t, err)
	return objects
}

// deploy is the folder of all manifests.
func deploy(t *testing.T) string {
	t.Helper()
	root, err := programs.Root(t.Context())
	require.NoError(t, err)
	dir := filepath.Join(root, "..", "deploy")
	_, err = os.Stat(dir)
	require.NoError(t, err)
	return dir
}

// service returns the objects of one service without their Deployment's autoscaler.
func (c cluster) addService(t *testing.T, namespace, name string) {
	t.Helper()
	c.apply(t, namespace, manifests(t, filepath.Join("base", name)))
}

// only returns the objects of a kind.
func only(objects []*unstructured.Unstructured, kind string) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() == kind {
			found = append(found, o)
		}
	}
	return found
}

// exists says whether an error is of an object that is there already.
func exists(err error) bool { return apierrors.IsAlreadyExists(err) }
