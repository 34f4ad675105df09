//go:build autoscalers

package proof_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	resourcehelper "k8s.io/component-helpers/resource"

	"k8s-scalers/windtunnel/internal/controlplane"
)

// timescale is how much faster than in the manifests time runs in the windows and periods of HPAs here; none gets shorter than
// the second that is the smallest unit of a period. The controller's sync period goes by a flag.
const timescale = 120

// syncPeriod is how often the controller looks.
const syncPeriod = 500 * time.Millisecond

// TestHPA lets the real controller act on each policy for a service of its own, all at the same time. Load is given in
// replicas: a load of 3.5 replicas is what makes three and a half of them reach the target of the policy, so it takes 4.
func TestHPA(t *testing.T) {
	proof(t)
	c := newCluster(t, map[string][]string{controlplane.Controller: {
		"--horizontal-pod-autoscaler-sync-period=" + syncPeriod.String(),
		// kwok's pods are ready at once, and need not be watched for a while before they count.
		"--horizontal-pod-autoscaler-cpu-initialization-period=0s",
		"--horizontal-pod-autoscaler-initial-readiness-delay=0s",
		"--concurrent-horizontal-pod-autoscaler-syncs=10",
		"--kube-api-qps=500", "--kube-api-burst=500",
	}})
	c.startKwok(t)
	c.addNodes(t, 3)
	load := newLoad()
	c.serveMetrics(t, load)
	// 4 services, each on CPU, memory, both, requests per second, an object, something external.
	provePolicies(t, "HPA", 24, func(t *testing.T, object *unstructured.Unstructured, namespace string) {
		hpa := &autoscalingv2.HorizontalPodAutoscaler{}
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, hpa, true))
		p := policy{cluster: c, load: load, hpa: hpa, namespace: namespace}
		p.prove(t)
	})
}

// policy is one HPA in a namespace of its own.
type policy struct {
	cluster
	load      *load
	hpa       *autoscalingv2.HorizontalPodAutoscaler
	namespace string
	requests  corev1.ResourceList // of a pod of the target
}

// distinct is the most replicas that a load can be told by: with ten or more, one more or less is within the usual
// tolerance of a tenth, too, so that the controller may rightly stop on its way.
const distinct = 8

func (p *policy) prove(t *testing.T) {
	p.addNamespace(t, p.namespace)
	p.addService(t, p.namespace, p.hpa.Spec.ScaleTargetRef.Name)
	d, err := p.Kube.AppsV1().Deployments(p.namespace).Get(t.Context(), p.hpa.Spec.ScaleTargetRef.Name, metav1.GetOptions{})
	require.NoError(t, err)
	p.requests = resourcehelper.PodRequests(&corev1.Pod{Spec: d.Spec.Template.Spec}, resourcehelper.PodResourcesOptions{})
	least, most := int(*p.hpa.Spec.MinReplicas), int(p.hpa.Spec.MaxReplicas)
	middle := min((least+most+1)/2, distinct)
	metrics := p.hpa.Spec.Metrics
	// Nobody but the metric at hand wants more than the least.
	idle := float64(least) - 0.5
	for _, m := range metrics {
		p.set(t, m, idle)
	}
	p.apply(t, p.namespace, []*unstructured.Unstructured{p.faster(t)})
	p.await(t, least, "idle")
	for _, m := range metrics {
		p.set(t, m, float64(middle)-0.1)
		p.await(t, middle, "load of somewhat less on "+nameOf(m))
		// Whatever look the controller was in the middle of while the last replicas came is over after this: one that had seen fewer
		// of them, and then the next figure, would rightly want more.
		p.holds(t, middle, p.hpa.Spec.Behavior.ScaleUp, "load of somewhat less on "+nameOf(m))
		up, down := p.tolerances()
		p.set(t, m, float64(middle)*(1+0.5*up))
		p.holds(t, middle, p.hpa.Spec.Behavior.ScaleUp, "above the target, within tolerance, on "+nameOf(m))
		p.set(t, m, float64(middle)*(1-0.5*down))
		p.holds(t, middle, p.hpa.Spec.Behavior.ScaleDown, "below the target, within tolerance, on "+nameOf(m))
		p.set(t, m, float64(most)+5)
		p.await(t, most, "more load than the most replicas can take on "+nameOf(m))
		p.miss(m)
		p.holds(t, most, p.hpa.Spec.Behavior.ScaleDown, "no figure of "+nameOf(m))
		p.awaitInactive(t, "no figure of "+nameOf(m))
		p.set(t, m, idle)
		p.await(t, least, "idle again")
	}
}

// faster is the policy with its windows and periods shortened.
func (p *policy) faster(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	hpa := p.hpa.DeepCopy()
	require.NotNil(t, hpa.Spec.Behavior, "each policy says how fast it goes")
	for _, rules := range []*autoscalingv2.HPAScalingRules{hpa.Spec.Behavior.ScaleUp, hpa.Spec.Behavior.ScaleDown} {
		require.NotNil(t, rules)
		require.NotNil(t, rules.StabilizationWindowSeconds)
		*rules.StabilizationWindowSeconds = (*rules.StabilizationWindowSeconds + timescale - 1) / timescale
		for i := range rules.Policies {
			rules.Policies[i].PeriodSeconds = (rules.Policies[i].PeriodSeconds + timescale - 1) / timescale
		}
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(hpa)
	require.NoError(t, err)
	o := &unstructured.Unstructured{Object: object}
	unstructured.RemoveNestedField(o.Object, "status")
	return o
}

// tolerances are how far a metric may be above and below its target without consequence.
func (p *policy) tolerances() (up, down float64) {
	tolerance := func(rules *autoscalingv2.HPAScalingRules) float64 {
		const standard = 0.1
		if rules == nil || rules.Tolerance == nil {
			return standard
		}
		return rules.Tolerance.AsApproximateFloat64()
	}
	return tolerance(p.hpa.Spec.Behavior.ScaleUp), tolerance(p.hpa.Spec.Behavior.ScaleDown)
}

func (p *policy) await(t *testing.T, want int, why string) {
	t.Helper()
	p.awaitReplicas(t, p.namespace, p.hpa.Spec.ScaleTargetRef.Name, want, why)
}

// holds watches the replicas while the controller looks at the figures often enough to have overcome the window of the rules
// that would change them.
func (p *policy) holds(t *testing.T, want int, rules *autoscalingv2.HPAScalingRules, why string) {
	t.Helper()
	looks := int(time.Duration(*rules.StabilizationWindowSeconds) * time.Second / timescale / syncPeriod)
	enough := p.load.looks(p.namespace) + (looks+10)*len(p.hpa.Spec.Metrics)
	for end := time.Now().Add(patience); p.load.looks(p.namespace) < enough; time.Sleep(pause) {
		wanted, _ := p.replicas(t.Context(), t, p.namespace, p.hpa.Spec.ScaleTargetRef.Name)
		require.Equal(t, want, wanted, why)
		require.True(t, time.Now().Before(end), "the controller does not look at its figures: %s", why)
	}
}

// awaitInactive waits until the controller says that a figure is missing.
func (p *policy) awaitInactive(t *testing.T, why string) {
	t.Helper()
	eventually(t, func(ctx context.Context, t require.TestingT) {
		hpa, err := p.Kube.AutoscalingV2().HorizontalPodAutoscalers(p.namespace).Get(ctx, p.hpa.Name, metav1.GetOptions{})
		require.NoError(t, err)
		conditions := map[autoscalingv2.HorizontalPodAutoscalerConditionType]corev1.ConditionStatus{}
		for _, condition := range hpa.Status.Conditions {
			conditions[condition.Type] = condition.Status
		}
		require.Equal(t, corev1.ConditionFalse, conditions[autoscalingv2.ScalingActive], why)
	})
}
