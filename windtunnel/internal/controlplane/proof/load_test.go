//go:build autoscalers

package proof_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"k8s-scalers/windtunnel/internal/controlplane/metricsapi"
)

// load is a [metricsapi.Source]: a total a metric and namespace, which the pods share.
type load struct {
	mu     sync.Mutex
	totals map[figure]float64
	asked  map[string]int // how often a namespace's metrics have been asked for
}

// figure names a metric in a namespace.
type figure struct{ namespace, metric string }

func newLoad() *load { return &load{totals: map[figure]float64{}, asked: map[string]int{}} }

// serveMetrics lets the controllers read a load where they would read metrics-server's and prometheus-adapter's figures.
func (c cluster) serveMetrics(t *testing.T, source metricsapi.Source) {
	t.Helper()
	stop, err := metricsapi.Start(t.Context(), c.ControlPlane, source)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stop()) })
}

// put sets the total of a metric.
func (l *load) put(namespace, metric string, total float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.totals[figure{namespace, metric}] = total
}

// drop makes a metric missing.
func (l *load) drop(namespace, metric string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.totals, figure{namespace, metric})
}

func (l *load) looks(namespace string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked[namespace]
}

func (l *load) total(namespace, metric string) (float64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	total, ok := l.totals[figure{namespace, metric}]
	return total, ok
}

func (l *load) count(namespace string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[namespace]++
}

// Usage implements metricsapi.Source: the containers of a pod take equal parts.
func (l *load) Usage(namespace string, pods []corev1.Pod) map[string]map[string]corev1.ResourceList {
	l.count(namespace)
	usage := map[string]map[string]corev1.ResourceList{}
	for _, pod := range pods {
		containers := map[string]corev1.ResourceList{}
		for _, container := range pod.Spec.Containers {
			used := corev1.ResourceList{}
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				if total, ok := l.total(namespace, string(name)); ok {
					used[name] = quantity(total / float64(len(pods)*len(pod.Spec.Containers)))
				}
			}
			// Where nothing is known, metrics-server says nothing, rather than zero.
			if len(used) > 0 {
				containers[container.Name] = used
			}
		}
		if len(containers) > 0 {
			usage[pod.Name] = containers
		}
	}
	return usage
}

// PodMetric implements metricsapi.Source.
func (l *load) PodMetric(namespace, metric string, pods []corev1.Pod) map[string]resource.Quantity {
	l.count(namespace)
	values := map[string]resource.Quantity{}
	if total, ok := l.total(namespace, metric); ok {
		for _, pod := range pods {
			values[pod.Name] = quantity(total / float64(len(pods)))
		}
	}
	return values
}

// ObjectMetric implements metricsapi.Source.
func (l *load) ObjectMetric(namespace, kind, name, metric string) (resource.Quantity, bool) {
	l.count(namespace)
	total, ok := l.total(namespace, kind+"/"+name+"/"+metric)
	return quantity(total), ok
}

// ExternalMetric implements metricsapi.Source.
func (l *load) ExternalMetric(namespace, metric string) (resource.Quantity, bool) {
	l.count(namespace)
	total, ok := l.total(namespace, metric)
	return quantity(total), ok
}

func quantity(value float64) resource.Quantity {
	return *resource.NewMilliQuantity(int64(value*1000), resource.DecimalSI)
}

// nameOf is what [load] knows a metric by.
func nameOf(m autoscalingv2.MetricSpec) string {
	switch m.Type {
	case autoscalingv2.ResourceMetricSourceType:
		return string(m.Resource.Name)
	case autoscalingv2.PodsMetricSourceType:
		return m.Pods.Metric.Name
	case autoscalingv2.ObjectMetricSourceType:
		o := m.Object.DescribedObject
		return map[string]string{"Service": "services", "Ingress": "ingresses.networking.k8s.io"}[o.Kind] + "/" + o.Name + "/" + m.Object.Metric.Name
	case autoscalingv2.ExternalMetricSourceType:
		return m.External.Metric.Name
	default:
		return string(m.Type)
	}
}

// targetOf is how much of a metric one replica is meant to bear.
func targetOf(t *testing.T, m autoscalingv2.MetricSpec, requests corev1.ResourceList) float64 {
	t.Helper()
	target := map[autoscalingv2.MetricSourceType]func() autoscalingv2.MetricTarget{
		autoscalingv2.ResourceMetricSourceType: func() autoscalingv2.MetricTarget { return m.Resource.Target },
		autoscalingv2.PodsMetricSourceType:     func() autoscalingv2.MetricTarget { return m.Pods.Target },
		autoscalingv2.ObjectMetricSourceType:   func() autoscalingv2.MetricTarget { return m.Object.Target },
		autoscalingv2.ExternalMetricSourceType: func() autoscalingv2.MetricTarget { return m.External.Target },
	}
	require.Contains(t, target, m.Type, "the proof knows this type of metric")
	switch target := target[m.Type](); target.Type {
	case autoscalingv2.UtilizationMetricType:
		request := requests[m.Resource.Name]
		require.Positive(t, request.MilliValue(), "a pod requests %s, else there is no utilization", m.Resource.Name)
		return request.AsApproximateFloat64() * float64(*target.AverageUtilization) / 100
	case autoscalingv2.AverageValueMetricType:
		return target.AverageValue.AsApproximateFloat64()
	default:
		require.Failf(t, "the proof does not know what such a target implies", "%s of %s", target.Type, nameOf(m))
		return 0
	}
}

// set puts as much load on a metric as so many replicas can bear.
func (p *policy) set(t *testing.T, m autoscalingv2.MetricSpec, replicas float64) {
	t.Helper()
	p.load.put(p.namespace, nameOf(m), targetOf(t, m, p.requests)*replicas)
}

// miss makes a metric missing.
func (p *policy) miss(m autoscalingv2.MetricSpec) { p.load.drop(p.namespace, nameOf(m)) }
