//go:build cluster

package platform_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// TestVPA lets the recommender see what upload-service uses under load, and the updater change the requests of its running
// pods, which are not started anew for it.
func TestVPA(t *testing.T) {
	const name = "upload-service"
	c := connect(t)
	c.scale(t, name, 2) // A single pod is left alone.
	t.Cleanup(func() { c.scaleAfter(t, name, 1) })
	before := map[types.UID]corev1.Pod{}
	for _, pod := range c.pods(t.Context(), t, name) {
		before[pod.UID] = pod
	}
	require.Len(t, before, 2)
	l := c.startLoad(t, "--rps", "50", "--duration", "15m", "-r", "GET /api/v1/uploads")
	vpa := only(t, manifests(t, "VPA/upload-service/in_place"), "VerticalPodAutoscaler")
	c.apply(t, vpa)
	client, err := c.Resource(vpa)
	require.NoError(t, err)
	eventually(t, func(ctx context.Context, t require.TestingT) {
		now, err := client.Get(ctx, name, metav1.GetOptions{})
		require.NoError(t, err)
		recommended, _, err := unstructured.NestedSlice(now.Object, "status", "recommendation", "containerRecommendations")
		require.NoError(t, err)
		require.NotEmpty(t, recommended, "nothing is recommended")
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
				asked, has := old.Spec.Containers[0].Resources.Requests[name], status.Resources.Requests[name]
				require.NotZero(t, asked.Cmp(has), "%s still has %s of %s", pod.Name, &asked, name)
			}
		}
	})
	l.stop(t).requireNoFailure(t)
}
