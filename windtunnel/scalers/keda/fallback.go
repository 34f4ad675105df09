package keda

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// fallbackMetric is what stands for a metric that could not be read: target × replicas, so that the HorizontalPodAutoscaler arrives at
// that number of replicas. Current is the replicas that the workload is asked to have, ready those that run; the latter
// matter for a target of the type Value, where the controller multiplies by them.
func fallbackMetric(f *Fallback, target autoscalingv2.MetricTarget, current, ready int32) (float64, error) {
	replicas := f.Replicas
	switch f.Behavior {
	case CurrentReplicas:
		replicas = current
	case CurrentReplicasIfHigher:
		replicas = max(current, replicas)
	case CurrentReplicasIfLower:
		replicas = min(current, replicas)
	}
	if target.Type != autoscalingv2.ValueMetricType {
		return milli(target.AverageValue.AsApproximateFloat64() * float64(replicas)), nil
	}
	if ready == 0 {
		return 0, fmt.Errorf("there is no fallback for a metric of the type Value without ready replicas")
	}
	return milli(target.Value.AsApproximateFloat64() * float64(replicas) / float64(ready)), nil
}

// milli cuts off what is below a thousandth.
func milli(v float64) float64 { return float64(int64(v*1000)) / 1000 }
