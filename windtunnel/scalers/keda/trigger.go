package keda

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// source is a trigger that is read.
type source interface {
	// metric is the name without the index, and the target of one replica.
	metric() (name string, target float64)
	// read yields the value, and whether the trigger is active by itself.
	read(now time.Time) (value float64, active bool, err error)
}

// trigger is one of a ScaledObject, with the metric that its HorizontalPodAutoscaler gets for it.
type trigger struct {
	// source is nil for CPU and memory, which the controller reads itself.
	source source
	cached bool
	spec   autoscalingv2.MetricSpec
}

func (t *trigger) name() string { return t.spec.External.Metric.Name }

func newTrigger(owner string, index int, t Trigger, broker Broker) (*trigger, error) {
	var from source
	var err error
	switch t.Type {
	case "rabbitmq":
		from, err = newRabbitMQ(t.Metadata, broker)
	case "cron":
		from, err = newCron(t.Metadata)
	case "cpu", "memory":
		spec, err := resourceMetric(t)
		return &trigger{spec: spec}, err
	default:
		return nil, &SpecError{[]any{"type"}, fmt.Sprintf("triggers of the type %q are not modelled", t.Type)}
	}
	if err != nil {
		return nil, err
	}
	name, each := from.metric()
	target := autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType}
	switch t.MetricType {
	case "", autoscalingv2.AverageValueMetricType:
		target.AverageValue = quantity(each)
	case autoscalingv2.ValueMetricType:
		target.Type, target.Value = t.MetricType, quantity(each)
	default:
		return nil, &SpecError{[]any{"metricType"}, fmt.Sprintf("expected AverageValue or Value, found %q", t.MetricType)}
	}
	return &trigger{source: from, cached: t.UseCachedMetrics, spec: autoscalingv2.MetricSpec{
		Type: autoscalingv2.ExternalMetricSourceType,
		External: &autoscalingv2.ExternalMetricSource{
			Metric: autoscalingv2.MetricIdentifier{
				Name:     fmt.Sprintf("s%d-%s", index, normalize(name)),
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{ownerLabel: owner}},
			},
			Target: target,
		},
	}}, nil
}

// resourceMetric is CPU or memory, of all containers or of one.
func resourceMetric(t Trigger) (autoscalingv2.MetricSpec, error) {
	text := t.Metadata["value"]
	target := autoscalingv2.MetricTarget{Type: t.MetricType}
	switch t.MetricType {
	case autoscalingv2.UtilizationMetricType:
		percent, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return autoscalingv2.MetricSpec{}, &SpecError{[]any{"metadata", "value"}, fmt.Sprintf("expected a percentage, found %q", text)}
		}
		utilization := int32(percent)
		target.AverageUtilization = &utilization
	case autoscalingv2.AverageValueMetricType:
		amount, err := resource.ParseQuantity(text)
		if err != nil {
			return autoscalingv2.MetricSpec{}, &SpecError{[]any{"metadata", "value"}, fmt.Sprintf("expected a quantity, found %q", text)}
		}
		target.AverageValue = &amount
	default:
		return autoscalingv2.MetricSpec{}, &SpecError{[]any{"metricType"}, fmt.Sprintf("expected Utilization or AverageValue, found %q", t.MetricType)}
	}
	name := corev1.ResourceName(t.Type)
	if container := t.Metadata["containerName"]; container != "" {
		return autoscalingv2.MetricSpec{
			Type:              autoscalingv2.ContainerResourceMetricSourceType,
			ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: name, Container: container, Target: target},
		}, nil
	}
	return autoscalingv2.MetricSpec{
		Type:     autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{Name: name, Target: target},
	}, nil
}

// quantity has thousandths, and is 0 for what is no sensible number.
func quantity(v float64) *resource.Quantity {
	if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		v = 0
	}
	q := resource.MustParse(strconv.FormatFloat(v, 'f', 3, 64))
	return &q
}

// normalize makes a name out of what a trigger reads.
func normalize(name string) string {
	return strings.NewReplacer("/", "-", ".", "-", ":", "-", "%", "-", "(", "-", ")", "-").Replace(name)
}

// number reads a setting that may be left out.
func number(metadata map[string]string, name string) (float64, error) {
	text, found := metadata[name]
	if !found {
		return 0, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, &SpecError{[]any{"metadata", name}, fmt.Sprintf("expected a number, found %q", text)}
	}
	return v, nil
}
