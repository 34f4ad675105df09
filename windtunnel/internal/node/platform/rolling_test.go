//go:build cluster

package platform_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestRollingUpdate gives every service new pods while requests and videos come in. No request may fail, and each video must
// get its captions, whose progress its user follows by events all the time.
func TestRollingUpdate(t *testing.T) {
	c := connect(t)
	services := []string{"auth-service", "upload-service", "caption-service", "frontend", "gateway-service", "caption-worker"}
	for _, name := range services {
		if name != "caption-worker" {
			c.scale(t, name, 2)
			t.Cleanup(func() { c.scaleAfter(t, name, 1) })
		}
	}
	l := c.startLoad(t, "--rps", "20", "--jobs-per-minute", "10", "--length", "5s", "--duration", "4m",
		"-r", "GET /api/v1/captions", "-r", "GET /api/v1/uploads", "-r", "GET /api/v1/auth/me")
	for _, name := range services {
		old := map[types.UID]bool{}
		for _, pod := range c.pods(t.Context(), t, name) {
			old[pod.UID] = true
		}
		// As kubectl rollout restart does.
		patch := fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().Format(time.RFC3339))
		_, err := c.Kube.AppsV1().Deployments(namespace).Patch(t.Context(), name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		require.NoError(t, err)
		eventually(t, func(ctx context.Context, t require.TestingT) {
			wanted, ready := c.replicas(ctx, t, namespace, name)
			pods := c.pods(ctx, t, name)
			require.Len(t, pods, wanted, name)
			require.Equal(t, wanted, ready, name)
			for _, pod := range pods {
				require.False(t, old[pod.UID], "%s is an old one", pod.Name)
			}
		})
	}
	r := l.wait(t)
	require.Len(t, r.Requests, 3)
	r.requireNoFailure(t)
	require.Positive(t, r.Jobs.Started)
	require.Equal(t, r.Jobs.Started, r.Jobs.Processed, "jobs are lost: %+v", r.Jobs)
}
