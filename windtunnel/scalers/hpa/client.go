package hpa

import (
	"context"
	"fmt"
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	podmetrics "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"

	"k8s-scalers/windtunnel/metrics"
)

// client answers the controller's questions from the pipeline, with the errors of the real metrics client.
type client struct {
	pipeline *metrics.Pipeline
	external External
}

// External answers for external metrics that do not come through the pipeline, because their server reads them when it is asked:
// KEDA's does. Mine is false for any other metric.
type External func(namespace, name string, selector labels.Selector) (value float64, mine bool, err error)

var _ podmetrics.MetricsClient = client{}

func (c client) GetResourceMetric(_ context.Context, resource corev1.ResourceName, namespace string, selector labels.Selector, container string) (podmetrics.PodMetricsInfo, time.Time, error) {
	scrape, err := c.pipeline.Visible(time.Now())
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("unable to get metrics for resource %s: %w", resource, err)
	}
	info := podmetrics.PodMetricsInfo{}
	for _, pod := range scrape.Pods {
		if pod.Namespace != namespace || !selector.Matches(pod.Labels) || !pod.HasCPU {
			continue
		}
		var used float64
		switch resource {
		case corev1.ResourceCPU:
			used = pod.CPU
		case corev1.ResourceMemory:
			used = pod.Memory
		default:
			return nil, time.Time{}, fmt.Errorf("no metrics for resource %s: pods report cpu and memory only", resource)
		}
		if container != "" && container != pod.Container {
			used = 0
		}
		info[pod.Name] = podmetrics.PodMetric{Timestamp: scrape.At, Window: pod.Window, Value: milli(used)}
	}
	if len(info) == 0 {
		return nil, time.Time{}, fmt.Errorf("no metrics returned from resource metrics API")
	}
	return info, scrape.At, nil
}

func (c client) GetRawMetric(name, namespace string, selector, metricSelector labels.Selector) (podmetrics.PodMetricsInfo, time.Time, error) {
	scrape, values, err := c.find(metrics.Pods, namespace, name, metricSelector)
	if err != nil {
		return nil, time.Time{}, err
	}
	info := podmetrics.PodMetricsInfo{}
	for _, v := range values {
		if selector.Matches(v.PodLabels) {
			info[v.Pod] = podmetrics.PodMetric{Timestamp: scrape.At, Window: time.Minute, Value: milli(v.Value)}
		}
	}
	if len(info) == 0 {
		return nil, time.Time{}, fmt.Errorf("no metrics returned from custom metrics API")
	}
	return info, scrape.At, nil
}

func (c client) GetObjectMetric(name, namespace string, _ *autoscalingv2.CrossVersionObjectReference, metricSelector labels.Selector) (int64, time.Time, error) {
	scrape, values, err := c.find(metrics.ObjectOf, namespace, name, metricSelector)
	if err != nil {
		return 0, time.Time{}, err
	}
	return milli(values[0].Value), scrape.At, nil
}

func (c client) GetExternalMetric(name, namespace string, selector labels.Selector) ([]int64, time.Time, error) {
	if c.external != nil {
		if value, mine, err := c.external(namespace, name, selector); mine {
			if err != nil {
				return nil, time.Time{}, fmt.Errorf("unable to fetch metrics from external metrics API: %w", err)
			}
			return []int64{milli(value)}, time.Now(), nil
		}
	}
	scrape, values, err := c.find(metrics.External, namespace, name, selector)
	if err != nil {
		return nil, time.Time{}, err
	}
	found := make([]int64, len(values))
	for i, v := range values {
		found[i] = milli(v.Value)
	}
	return found, scrape.At, nil
}

func (c client) find(kind metrics.Kind, namespace, name string, selector labels.Selector) (metrics.Scrape, []metrics.Value, error) {
	scrape, err := c.pipeline.Visible(time.Now())
	if err != nil {
		return scrape, nil, err
	}
	var found []metrics.Value
	for _, v := range scrape.Values {
		if v.Kind == kind && v.Namespace == namespace && v.Name == name && selector.Matches(v.Labels) {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		return scrape, nil, fmt.Errorf("no metrics returned from %s metrics API for %s", kind, name)
	}
	return scrape, found, nil
}

func milli(v float64) int64 { return int64(math.Round(v * 1000)) }
