package vpa

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"k8s-scalers/windtunnel/metrics"
)

// usage is metrics-server as the recommender reads it.
type usage struct{ pipeline *metrics.Pipeline }

// List implements the recommender's PodMetricsLister.
func (u usage) List(context.Context, string, metav1.ListOptions) (*v1beta1.PodMetricsList, error) {
	scrape, err := u.pipeline.Visible(time.Now())
	if err != nil {
		return nil, err
	}
	list := &v1beta1.PodMetricsList{}
	for _, pod := range scrape.Pods {
		if !pod.HasCPU {
			continue
		}
		list.Items = append(list.Items, v1beta1.PodMetrics{
			ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
			Timestamp:  metav1.NewTime(scrape.At), Window: metav1.Duration{Duration: pod.Window},
			Containers: []v1beta1.ContainerMetrics{{Name: pod.Container, Usage: corev1.ResourceList{
				corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(pod.CPU*1000), resource.DecimalSI),
				corev1.ResourceMemory: *resource.NewQuantity(int64(pod.Memory), resource.BinarySI),
			}}},
		})
	}
	return list, nil
}
