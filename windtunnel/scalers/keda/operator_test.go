package keda

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"k8s-scalers/windtunnel/cluster"
)

var began = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// scene is an operator over a cluster with one Deployment, and what it did.
type scene struct {
	*testing.T
	*Operator
	broker *broker
	api    *cluster.API
	steps  []string
}

func newScene(t *testing.T, change func(*Spec)) *scene {
	t.Helper()
	scheme, err := cluster.NewScheme()
	require.NoError(t, err)
	s := &scene{T: t, broker: &broker{}, api: cluster.New(scheme).API}
	_, err = s.api.Create(deploymentResource, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "captions", Name: "worker"},
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "worker"}}},
	})
	require.NoError(t, err)
	s.Operator = New(s.api, s.broker, func(_, _ string, from, to int32, reason string) {
		require.NotEmpty(t, reason)
		s.steps = append(s.steps, fmt.Sprintf("%d->%d", from, to))
	})
	scaledObject := &ScaledObject{ObjectMeta: metav1.ObjectMeta{Namespace: "captions", Name: "worker"}, Spec: Spec{
		ScaleTargetRef: Target{Name: "worker"}, PollingInterval: n(10), MinReplicaCount: n(0), MaxReplicaCount: n(30),
		Fallback: &Fallback{FailureThreshold: 3, Replicas: 2, Behavior: CurrentReplicasIfHigher},
		Triggers: []Trigger{{Type: "rabbitmq", Metadata: map[string]string{"queueName": "jobs", "protocol": "http", "mode": queueLength, "value": "2"}}},
	}}
	if change != nil {
		change(&scaledObject.Spec)
	}
	require.NoError(t, s.Add(scaledObject, began))
	return s
}

func (s *scene) poll(at time.Duration) { s.Step(began.Add(at)) }

// ask is the HorizontalController's question.
func (s *scene) ask(at time.Duration) (float64, error) {
	value, mine, err := s.Metric("captions", "s0-rabbitmq-jobs", labels.SelectorFromSet(labels.Set{ownerLabel: "worker"}), began.Add(at))
	require.True(s, mine)
	return value, err
}

func (s *scene) scaleTo(replicas int32) {
	require.NoError(s, s.api.Scale("captions", "worker", replicas, nil))
}

func TestFromNoneToOneAndBack(t *testing.T) {
	s := newScene(t, nil)
	s.poll(0)
	require.Equal(t, []string{"1->0"}, s.steps, "nothing was ever active, and there is no initial cooldown")
	s.broker.queue = Queue{Ready: 1}
	s.poll(9 * time.Second)
	require.Len(t, s.steps, 1, "the next poll is not due")
	s.poll(10 * time.Second)
	require.Equal(t, []string{"1->0", "0->1"}, s.steps)
	s.broker.queue = Queue{Unacknowledged: 1}
	for at := 20 * time.Second; at <= time.Hour; at += 10 * time.Second {
		s.poll(at)
	}
	require.Len(t, s.steps, 2, "a task in work holds its worker")
	s.broker.queue = Queue{}
	last := time.Hour
	for at := last + 10*time.Second; at < last+300*time.Second; at += 10 * time.Second {
		s.poll(at)
	}
	require.Len(t, s.steps, 2, "the cooldown is not over")
	s.poll(last + 300*time.Second)
	require.Equal(t, []string{"1->0", "0->1", "1->0"}, s.steps)
}

func TestFailuresOfBothReadersCountTogether(t *testing.T) {
	s := newScene(t, nil)
	s.scaleTo(5)
	s.broker.queue = Queue{Ready: 7}
	value, err := s.ask(0)
	require.NoError(t, err)
	require.InDelta(t, 7, value, 0)

	s.broker.err = errors.New("connection refused")
	s.poll(10 * time.Second)
	_, err = s.ask(15 * time.Second)
	require.ErrorContains(t, err, "connection refused")
	s.poll(20 * time.Second)
	require.Empty(t, s.steps)
	// The fourth failure exceeds a threshold of three.
	value, err = s.ask(30 * time.Second)
	require.NoError(t, err)
	require.InDelta(t, 10, value, 0, "5 replicas of 2 messages")
	s.scaleTo(1)
	value, err = s.ask(45 * time.Second)
	require.NoError(t, err)
	require.InDelta(t, 4, value, 0, "at least 2 replicas")
	s.scaleTo(0)
	s.poll(50 * time.Second)
	require.Equal(t, []string{"0->1"}, s.steps, "a fallback counts as active")

	s.broker.err = nil
	_, err = s.ask(60 * time.Second)
	require.NoError(t, err)
	s.broker.err = errors.New("connection refused")
	_, err = s.ask(75 * time.Second)
	require.Error(t, err, "one success, and the count begins again")
}

func TestAFailureWithAFallbackToNoneGoesToNone(t *testing.T) {
	s := newScene(t, func(spec *Spec) { spec.Fallback = &Fallback{FailureThreshold: 100} })
	s.broker.err = errors.New("connection refused")
	s.poll(0)
	require.Equal(t, []string{"1->0"}, s.steps)
}

func TestWithAMinimumTheLoopTakesWhatTheControllerHasSeen(t *testing.T) {
	s := newScene(t, func(spec *Spec) { spec.MinReplicaCount = n(2) })
	require.NoError(t, s.api.Change(scalerResource, "captions", "keda-hpa-worker", func(o cluster.Object) {
		o.(*autoscalingv2.HorizontalPodAutoscaler).Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{
			{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue},
		}
	}))
	s.poll(0)
	require.Len(t, s.broker.asked, 1, "the controller has not asked yet")
	require.Equal(t, []string{"1->2"}, s.steps, "to minReplicaCount")
	_, err := s.ask(time.Second)
	require.NoError(t, err)
	s.poll(10 * time.Second)
	s.poll(20 * time.Second)
	require.Len(t, s.broker.asked, 2)
}

func TestCachedMetricsAreReadByTheLoopOnly(t *testing.T) {
	s := newScene(t, func(spec *Spec) { spec.Triggers[0].UseCachedMetrics = true })
	s.broker.queue = Queue{Ready: 6}
	s.poll(0)
	s.broker.queue = Queue{Ready: 60}
	value, err := s.ask(5 * time.Second)
	require.NoError(t, err)
	require.InDelta(t, 6, value, 0)
	s.poll(10 * time.Second)
	value, err = s.ask(15 * time.Second)
	require.NoError(t, err)
	require.InDelta(t, 60, value, 0)
	require.Len(t, s.broker.asked, 2)
}

func TestOnlyCPUAndMemoryAlwaysCountAsActive(t *testing.T) {
	s := newScene(t, func(spec *Spec) {
		spec.Fallback = nil
		spec.Triggers = []Trigger{{Type: "cpu", MetricType: "Utilization", Metadata: map[string]string{"value": "60"}}}
	})
	for at := time.Duration(0); at < time.Hour; at += 10 * time.Second {
		s.poll(at)
	}
	require.Empty(t, s.steps)
}

func TestTheHorizontalPodAutoscalerThatKEDAMakes(t *testing.T) {
	window := int32(180)
	s := newScene(t, func(spec *Spec) {
		spec.Advanced = &Advanced{HorizontalPodAutoscalerConfig: &HPAConfig{Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &window},
		}}}
		spec.Triggers = append([]Trigger{
			{Type: "memory", MetricType: "AverageValue", Metadata: map[string]string{"value": "200Mi", "containerName": "worker"}},
			{Type: "cpu", MetricType: "Utilization", Metadata: map[string]string{"value": "60"}},
		}, spec.Triggers...)
	})
	found, err := s.api.Get(scalerResource, "captions", "keda-hpa-worker")
	require.NoError(t, err)
	hpa := found.(*autoscalingv2.HorizontalPodAutoscaler)
	require.True(t, Owns(hpa))
	require.Equal(t, autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "worker"}, hpa.Spec.ScaleTargetRef)
	require.EqualValues(t, 1, *hpa.Spec.MinReplicas, "the step to none is not the controller's")
	require.EqualValues(t, 30, hpa.Spec.MaxReplicas)
	require.EqualValues(t, 180, *hpa.Spec.Behavior.ScaleDown.StabilizationWindowSeconds)
	var types []string
	for _, m := range hpa.Spec.Metrics {
		types = append(types, string(m.Type))
	}
	require.Equal(t, []string{"ContainerResource", "External", "Resource"}, types)
	external := hpa.Spec.Metrics[1].External
	require.Equal(t, "s2-rabbitmq-jobs", external.Metric.Name)
	require.Equal(t, "2", external.Target.AverageValue.String())
}

func TestMistakesOfScaledObjects(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ScaledObject)
		field  any
	}{
		"minimum above maximum":  {func(s *ScaledObject) { s.Spec.MinReplicaCount, s.Spec.MaxReplicaCount = n(3), n(2) }, "minReplicaCount"},
		"idle without a minimum": {func(s *ScaledObject) { s.Spec.IdleReplicaCount = n(0) }, "idleReplicaCount"},
		"idle at the minimum":    {func(s *ScaledObject) { s.Spec.IdleReplicaCount, s.Spec.MinReplicaCount = n(2), n(2) }, "idleReplicaCount"},
		"modifiers": {func(s *ScaledObject) {
			s.Spec.Advanced = &Advanced{ScalingModifiers: map[string]string{"formula": "a"}}
		}, "scalingModifiers"},
		"paused":          {func(s *ScaledObject) { s.Annotations = map[string]string{"autoscaling.keda.sh/paused": "true"} }, "autoscaling.keda.sh/paused"},
		"another kind":    {func(s *ScaledObject) { s.Spec.ScaleTargetRef.Kind = "StatefulSet" }, "kind"},
		"fallback":        {func(s *ScaledObject) { s.Spec.Fallback = &Fallback{Behavior: "scalingModifiers"} }, "behavior"},
		"no triggers":     {func(s *ScaledObject) { s.Spec.Triggers = nil }, "triggers"},
		"a wrong trigger": {func(s *ScaledObject) { s.Spec.Triggers[0].Type = "kafka" }, "type"},
	} {
		t.Run(name, func(t *testing.T) {
			scheme, err := cluster.NewScheme()
			require.NoError(t, err)
			s := &ScaledObject{Spec: Spec{ScaleTargetRef: Target{Name: "worker"}, Triggers: []Trigger{{
				Type: "rabbitmq", Metadata: map[string]string{"queueName": "jobs", "protocol": "http", "mode": queueLength, "value": "2"},
			}}}}
			c.change(s)
			problem := (*SpecError)(nil)
			require.ErrorAs(t, New(cluster.New(scheme).API, &broker{}, nil).Add(s, began), &problem)
			require.Equal(t, c.field, problem.Path[len(problem.Path)-1])
		})
	}
}
