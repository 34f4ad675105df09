//go:build cluster

package platform_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// TestVPA lets the recommender see what auth-service uses under load, and the updater change the requests of its running
// pods, which are not started anew for it. The policy's own floor for CPU is taken away: two cores cannot bear the load that
// exceeds it, and what is recommended must come from use.
func TestVPA(t *testing.T) {
	const name = "auth-service"
	c := connect(t)
	t.Cleanup(func() { c.scaleAfter(t, name, 1) })
	before := map[types.UID]corev1.Pod{}
	for _, pod := range c.scale(t, name, 2) { // A single pod is left alone.
		before[pod.UID] = pod
	}
	d, err := c.Kube.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	template := d.Spec.Template.Spec.Containers[0].Resources.Requests
	// Its store is PostgreSQL itself: the stand-in for the document store would be what fails first.
	v := c.visit(t, 100, "/api/v1/auth/me")
	vpa := only(t, manifests(t, "VPA/auth-service/in_place"), "VerticalPodAutoscaler")
	policies, _, err := unstructured.NestedSlice(vpa.Object, "spec", "resourcePolicy", "containerPolicies")
	require.NoError(t, err)
	require.Len(t, policies, 1)
	delete(policies[0].(map[string]any), "minAllowed")
	require.NoError(t, unstructured.SetNestedSlice(vpa.Object, policies, "spec", "resourcePolicy", "containerPolicies"))
	// What the recommender gives at least, whatever is used: the flag of package controlplane.
	floor := resource.MustParse("15m")
	c.apply(t, vpa)
	client, err := c.Resource(vpa)
	require.NoError(t, err)
	eventually(t, func(ctx context.Context, t require.TestingT) {
		now, err := client.Get(ctx, name, metav1.GetOptions{})
		require.NoError(t, err)
		recommended, _, err := unstructured.NestedSlice(now.Object, "status", "recommendation", "containerRecommendations")
		require.NoError(t, err)
		require.Len(t, recommended, 1, "one container a pod")
		cpu, _, err := unstructured.NestedString(recommended[0].(map[string]any), "target", "cpu")
		require.NoError(t, err)
		target, err := resource.ParseQuantity(cpu)
		require.NoError(t, err)
		require.Positive(t, target.Cmp(floor), "%s of CPU is recommended, which is the least", cpu)
	})
	eventually(t, func(ctx context.Context, t require.TestingT) {
		pods := c.pods(ctx, t, name)
		require.Len(t, pods, 2)
		for _, pod := range pods {
			old, ok := before[pod.UID]
			require.True(t, ok, "%s is not one of the pods that ran before", pod.Name)
			require.Len(t, pod.Status.ContainerStatuses, 1)
			status := pod.Status.ContainerStatuses[0]
			require.Equal(t, old.Status.ContainerStatuses[0].RestartCount, status.RestartCount, "%s was started anew", pod.Name)
			require.NotNil(t, status.Resources, pod.Name)
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				asked, has := template[name], status.Resources.Requests[name]
				require.NotZero(t, asked.Cmp(has), "%s still has %s of %s", pod.Name, &asked, name)
			}
			require.Positive(t, status.Resources.Requests.Cpu().Cmp(floor), "%s has the least", pod.Name)
		}
	})
	v.stop(t)
}
