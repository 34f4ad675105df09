//go:build autoscalers

package proof_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"

	"k8s-scalers/windtunnel/scalers/cpa"
)

// TestCPA takes the part of Cluster Proportional Autoscaler, whose module cannot be built: with the rights of its
// account, it makes the calls that the original makes, and sets what package cpa decides, which is held to recorded
// decisions of the original.
func TestCPA(t *testing.T) {
	proof(t)
	c := newCluster(t, nil)
	addCoreDNS(t, c)
	for _, policy := range []struct {
		folder string
		want   map[size]int32 // written by hand from what the policy says of itself
	}{
		{"CPA/linear", map[size]int32{
			{1, 4}: 2, {2, 4}: 2, {32, 4}: 2, {33, 4}: 3, {40, 32}: 5, {330, 4}: 20,
		}},
		{"CPA/ladder", map[size]int32{
			{1, 4}: 1, {2, 4}: 2, {31, 2}: 2, {32, 2}: 3, {31, 16}: 3, {64, 4}: 5, {64, 16}: 6, {256, 4}: 12, {1, 4096}: 12,
		}},
	} {
		t.Run(policy.folder, func(t *testing.T) {
			c.apply(t, "", manifests(t, policy.folder))
			scaler := c.as(t, "kube-system", "dns-autoscaler")
			for size, want := range policy.want {
				c.resize(t, size)
				require.Equal(t, want, scaleCoreDNS(t, scaler), "replicas for %d nodes of %d cores", size.nodes, size.cores)
			}
		})
	}
	// It has no rights beyond those.
	scaler := c.as(t, "kube-system", "dns-autoscaler")
	_, err := scaler.AppsV1().Deployments("kube-system").GetScale(t.Context(), "dns-autoscaler", metav1.GetOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	_, err = scaler.CoreV1().ConfigMaps("kube-system").List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
}

// size is a cluster of equal nodes.
type size struct{ nodes, cores int }

// addCoreDNS makes the Deployment that the policies are for. What runs in it does not matter here.
func addCoreDNS(t *testing.T, c cluster) {
	t.Helper()
	labels := map[string]string{"k8s-app": "kube-dns"}
	_, err := c.Kube.AppsV1().Deployments("kube-system").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "coredns"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "coredns", Image: "coredns"}}},
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// as returns a client with the rights of an account.
func (c cluster) as(t *testing.T, namespace, account string) kubernetes.Interface {
	t.Helper()
	path, err := c.ServiceAccountKubeconfig(t.Context(), namespace, account)
	require.NoError(t, err)
	config, err := clientcmd.BuildConfigFromFlags("", path)
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return client
}

// resize makes the cluster one of so many nodes, each of so many cores, all cordoned but the first.
func (c cluster) resize(t *testing.T, size size) {
	t.Helper()
	nodes := c.Kube.CoreV1().Nodes()
	require.NoError(t, nodes.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}))
	for i := range size.nodes {
		_, err := nodes.Create(t.Context(), &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%d", i)},
			Spec:       corev1.NodeSpec{Unschedulable: i > 0},
			Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
				corev1.ResourceCPU: *resource.NewQuantity(int64(size.cores), resource.DecimalSI),
			}},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
}

// scaleCoreDNS is one turn of the original's loop: parameters, nodes, decision, replicas.
func scaleCoreDNS(t *testing.T, scaler kubernetes.Interface) int32 {
	t.Helper()
	parameters, err := scaler.CoreV1().ConfigMaps("kube-system").Get(t.Context(), "dns-autoscaler", metav1.GetOptions{})
	require.NoError(t, err)
	policy, err := cpa.Parse(parameters.Data)
	require.NoError(t, err)
	list, err := scaler.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var nodes []*corev1.Node
	for i := range list.Items {
		nodes = append(nodes, &list.Items[i])
	}
	deployments := scaler.AppsV1().Deployments("kube-system")
	var set int32
	// Where the original meets a conflict, it tries again at its next poll.
	require.NoError(t, retry.RetryOnConflict(retry.DefaultRetry, func() error {
		scale, err := deployments.GetScale(t.Context(), "coredns", metav1.GetOptions{})
		if err != nil {
			return err
		}
		scale.Spec.Replicas = policy.Replicas(cpa.Measure(nodes))
		scale, err = deployments.UpdateScale(t.Context(), "coredns", scale, metav1.UpdateOptions{})
		if err == nil {
			set = scale.Spec.Replicas
		}
		return err
	}))
	return set
}
