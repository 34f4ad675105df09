//go:build cluster

package platform_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s-scalers/windtunnel/scalers/cpa"
)

// TestCPA lets nodes join that are there by name only, and gives CoreDNS the replicas that Cluster Proportional Autoscaler would,
// whose module cannot be built: the decision is that of package cpa, which is held to recorded ones of the original. The
// pods are real, and start on the one node that is.
func TestCPA(t *testing.T) {
	c := connect(t)
	parameters := only(t, manifests(t, "CPA/linear"), "ConfigMap")
	data, found, err := unstructured.NestedStringMap(parameters.Object, "data")
	require.NoError(t, err)
	require.True(t, found)
	policy, err := cpa.Parse(data)
	require.NoError(t, err)
	set := func(why string) int32 {
		list, err := c.Kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		var nodes []*corev1.Node
		for i := range list.Items {
			nodes = append(nodes, &list.Items[i])
		}
		scale, err := c.Kube.AppsV1().Deployments("kube-system").GetScale(t.Context(), "coredns", metav1.GetOptions{})
		require.NoError(t, err)
		scale.Spec.Replicas = policy.Replicas(cpa.Measure(nodes))
		scale, err = c.Kube.AppsV1().Deployments("kube-system").UpdateScale(t.Context(), "coredns", scale, metav1.UpdateOptions{})
		require.NoError(t, err)
		eventually(t, func(ctx context.Context, t require.TestingT) {
			wanted, ready := c.replicas(ctx, t, "kube-system", "coredns")
			require.Equal(t, wanted, ready, why)
		})
		return scale.Spec.Replicas
	}
	require.EqualValues(t, 2, set("one node"), "the least")
	for i := range 40 {
		name := fmt.Sprintf("pretended-%d", i)
		_, err := c.Kube.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       corev1.NodeSpec{Unschedulable: true},
			Status:     corev1.NodeStatus{Allocatable: corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(2, resource.DecimalSI)}},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, c.Kube.CoreV1().Nodes().Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{}))
		})
	}
	require.EqualValues(t, 3, set("41 nodes"), "a replica for each 16 nodes")
}
