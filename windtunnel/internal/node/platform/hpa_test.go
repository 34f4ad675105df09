//go:build cluster

package platform_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestHPAOnCPU puts load on caption-service through the gateway: the kubelet measures it, metrics-server passes it on, and the HPA
// acts. When it ends, the replicas go.
func TestHPAOnCPU(t *testing.T) {
	c := connect(t)
	c.follow(t, only(t, manifests(t, "HPA/caption-service/resource-metric/cpu"), "HorizontalPodAutoscaler"), "HPA: caption-service on CPU")
}

// TestHPAOnRequests is the same with requests per second: the service counts them, Prometheus scrapes it, and
// prometheus-adapter makes a metric of that. The target is a fifth, which two cores can exceed.
func TestHPAOnRequests(t *testing.T) {
	const target = "20"
	c := connect(t)
	hpa := only(t, manifests(t, "HPA/caption-service/pod-metric/request_per_second"), "HorizontalPodAutoscaler")
	metrics, _, err := unstructured.NestedSlice(hpa.Object, "spec", "metrics")
	require.NoError(t, err)
	require.Len(t, metrics, 1)
	require.NoError(t, unstructured.SetNestedField(metrics[0].(map[string]any), target, "pods", "target", "averageValue"))
	require.NoError(t, unstructured.SetNestedSlice(hpa.Object, metrics, "spec", "metrics"))
	c.follow(t, hpa, "HPA: caption-service on requests per second")
}

// follow sees an HPA's Deployment grow under load and shrink after it.
func (c cluster) follow(t *testing.T, hpa *unstructured.Unstructured, title string) {
	t.Helper()
	name := hpa.GetName()
	shorten(t, hpa.Object)
	least, _, err := unstructured.NestedInt64(hpa.Object, "spec", "minReplicas")
	require.NoError(t, err)
	// What two cores can bear.
	require.NoError(t, unstructured.SetNestedField(hpa.Object, least+3, "spec", "maxReplicas"))
	c.apply(t, hpa)
	c.awaitReplicas(t, name, "the least, without load", func(wanted, ready int) bool { return wanted == int(least) && ready == wanted })
	// There is a figure before there is load.
	eventually(t, func(ctx context.Context, t require.TestingT) { c.requireFigure(ctx, t, name) })

	stop := drawn.watch(t, c, title, name)
	defer stop()
	l := c.startLoad(t, "--rps", "60", "--duration", "15m")
	c.awaitReplicas(t, name, "load", func(wanted, ready int) bool { return wanted > int(least) && ready > int(least) })
	r := l.stop(t)
	require.NotEmpty(t, r.Requests)
	require.Positive(t, r.Requests[0].Done)
	c.awaitReplicas(t, name, "the load has ended", func(wanted, ready int) bool { return wanted == int(least) && ready == wanted })
}

// requireFigure fails unless the HPA has read its metric.
func (c cluster) requireFigure(ctx context.Context, t require.TestingT, name string) {
	hpa, err := c.Kube.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(ctx, name, metav1.GetOptions{})
	require.NoError(t, err)
	for _, condition := range hpa.Status.Conditions {
		if condition.Type == autoscalingv2.ScalingActive {
			require.Equal(t, corev1.ConditionTrue, condition.Status, condition.Message)
			return
		}
	}
	require.Fail(t, "the HPA says nothing of its metric")
}

// shorten makes every window and period in a policy, of minutes, a thirtieth.
func shorten(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if seconds, ok := inner.(int64); ok && (key == "periodSeconds" || key == "stabilizationWindowSeconds") {
				v[key] = (seconds + 29) / 30
			} else {
				shorten(t, inner)
			}
		}
	case []any:
		for _, inner := range v {
			shorten(t, inner)
		}
	}
}
