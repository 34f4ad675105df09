//go:build autoscalers

package proof_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s-scalers/windtunnel/internal/controlplane"
	"k8s-scalers/windtunnel/internal/programs"
)

const worker = "caption-worker"

// TestKEDA lets the real operator and metrics adapter follow a queue of real messages in a real broker.
func TestKEDA(t *testing.T) {
	proof(t)
	c := newCluster(t, map[string][]string{controlplane.Controller: {"--horizontal-pod-autoscaler-sync-period=1s"}})
	c.startKwok(t)
	c.addNodes(t, 3)
	c.startKEDA(t)
	b := startBroker(t, "jobs")
	step := func(name string, prove func(*testing.T, cluster, *broker)) {
		require.True(t, t.Run(name, func(t *testing.T) { prove(t, c, b) }), "what follows wants the queue to be empty")
	}
	step("scaled object", followsQueue)
	step("pre-warmed", preWarms)
	step("scaled job", runsJobs)
}

// startKEDA builds the operator and the adapter, which the ledger tells of, and runs them.
func (c cluster) startKEDA(t *testing.T) {
	t.Helper()
	build(t, programs.KEDAOperator())
	build(t, programs.KEDAAdapter())
	require.NoError(t, c.StartKEDA(t.Context()))
}

// addQueueSecret says where the broker is, as the manifests want it.
func (c cluster) addQueueSecret(t *testing.T, namespace string, b *broker) {
	t.Helper()
	_, err := c.Kube.CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "captions-queue"}, StringData: map[string]string{"management": b.Management + "/"},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// quicker is a ScaledObject or ScaledJob with its long times cut: it polls each second, and its windows and the
// cool-down, of minutes, are a sixtieth.
func quicker(t *testing.T, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() != "ScaledObject" && o.GetKind() != "ScaledJob" {
			continue
		}
		require.NoError(t, unstructured.SetNestedField(o.Object, int64(1), "spec", "pollingInterval"))
		if o.GetKind() == "ScaledJob" {
			continue
		}
		shorten(t, o, "spec", "cooldownPeriod")
		for _, direction := range []string{"scaleUp", "scaleDown"} {
			rules := []string{"spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", direction}
			shorten(t, o, append(rules, "stabilizationWindowSeconds")...)
			policies, found, err := unstructured.NestedSlice(o.Object, append(rules, "policies")...)
			require.NoError(t, err)
			require.True(t, found)
			for _, p := range policies {
				p := p.(map[string]any)
				p["periodSeconds"] = shortened(p["periodSeconds"].(int64))
			}
			require.NoError(t, unstructured.SetNestedSlice(o.Object, policies, append(rules, "policies")...))
		}
	}
	return objects
}

func shorten(t *testing.T, o *unstructured.Unstructured, field ...string) {
	t.Helper()
	seconds, found, err := unstructured.NestedInt64(o.Object, field...)
	require.NoError(t, err)
	require.True(t, found, "%v", field)
	require.NoError(t, unstructured.SetNestedField(o.Object, shortened(seconds), field...))
}

func shortened(seconds int64) int64 { return (seconds + 59) / 60 }

// stays watches for several polls that a Deployment is told to run that many replicas.
func (c cluster) stays(t *testing.T, namespace string, want int, why string) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(pause) {
		wanted, _ := c.replicas(t.Context(), t, namespace, worker)
		require.Equal(t, want, wanted, why)
	}
}

// followsQueue is the life of the policy KEDA/caption-worker.
func followsQueue(t *testing.T, c cluster, b *broker) {
	const namespace = "follows-queue"
	c.addNamespace(t, namespace)
	c.addQueueSecret(t, namespace, b)
	c.addService(t, namespace, worker)
	c.awaitReplicas(t, namespace, worker, 1, "without a policy, a Deployment has one")
	c.apply(t, namespace, quicker(t, manifests(t, "KEDA/caption-worker")))
	c.awaitReplicas(t, namespace, worker, 0, "there is nothing to do")

	b.put(t, 1)
	c.awaitReplicas(t, namespace, worker, 1, "one task")
	b.put(t, 8)
	c.awaitReplicas(t, namespace, worker, 5, "nine tasks, two a worker")
	tasks := b.take(t, 9)
	c.stays(t, namespace, 5, "nine tasks in work")
	b.put(t, 91)
	c.awaitReplicas(t, namespace, worker, 30, "a hundred tasks, and 30 workers are the most")
	finish(t, tasks)
	finish(t, b.take(t, 83))
	c.awaitReplicas(t, namespace, worker, 4, "eight tasks")

	b.stop(t)
	c.stays(t, namespace, 4, "the queue cannot be read, and there are more workers than the fallback wants")
	c.requireCondition(t, namespace, "Fallback", "True")
	b.start(t)
	c.requireCondition(t, namespace, "Fallback", "False")
	finish(t, b.take(t, 7))
	c.awaitReplicas(t, namespace, worker, 1, "one task")
	b.stop(t)
	c.awaitReplicas(t, namespace, worker, 2, "the queue cannot be read: the fallback")
	c.stays(t, namespace, 2, "still unknown is not empty")
	b.start(t)
	c.awaitReplicas(t, namespace, worker, 1, "one task")
	finish(t, b.take(t, 1))
	c.awaitReplicas(t, namespace, worker, 0, "all is done")

	b.stop(t)
	c.awaitReplicas(t, namespace, worker, 2, "the queue cannot be read, which wakes the fallback's workers even from none")
	b.start(t)
	c.awaitReplicas(t, namespace, worker, 0, "the queue is empty")
}

// requireCondition waits for a condition of the ScaledObject.
func (c cluster) requireCondition(t *testing.T, namespace, condition, status string) {
	t.Helper()
	object := only(manifests(t, "KEDA/caption-worker"), "ScaledObject")[0]
	move(object, namespace)
	client, err := c.Resource(object)
	require.NoError(t, err)
	eventually(t, func(ctx context.Context, t require.TestingT) {
		o, err := client.Get(ctx, object.GetName(), metav1.GetOptions{})
		require.NoError(t, err)
		conditions, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
		require.NoError(t, err)
		found := map[string]any{}
		for _, c := range conditions {
			c := c.(map[string]any)
			found[c["type"].(string)] = c["status"]
		}
		require.Equal(t, status, found[condition], "condition %s of %v", condition, found)
	})
}

// preWarms is the policy KEDA/caption-worker/cron_prewarm, with hours that are now, and then hours that are not.
func preWarms(t *testing.T, c cluster, b *broker) {
	const namespace = "pre-warms"
	c.addNamespace(t, namespace)
	c.addQueueSecret(t, namespace, b)
	c.addService(t, namespace, worker)
	objects := quicker(t, manifests(t, "KEDA/caption-worker/cron_prewarm"))
	object := only(objects, "ScaledObject")[0]
	during := func(start, end time.Time) {
		triggers, _, err := unstructured.NestedSlice(object.Object, "spec", "triggers")
		require.NoError(t, err)
		require.Len(t, triggers, 2)
		cron := triggers[1].(map[string]any)
		require.Equal(t, "cron", cron["type"])
		metadata := cron["metadata"].(map[string]any)
		metadata["timezone"] = "UTC"
		metadata["start"], metadata["end"] = start.UTC().Format("4 15 * * *"), end.UTC().Format("4 15 * * *")
		require.NoError(t, unstructured.SetNestedSlice(object.Object, triggers, "spec", "triggers"))
	}
	now := time.Now()
	during(now.Add(-6*time.Hour), now.Add(6*time.Hour))
	c.apply(t, namespace, objects)
	c.awaitReplicas(t, namespace, worker, 2, "within the hours")
	b.put(t, 9)
	c.awaitReplicas(t, namespace, worker, 5, "nine tasks, two a worker")
	finish(t, b.take(t, 9))
	c.awaitReplicas(t, namespace, worker, 2, "within the hours, and nothing to do")
	during(now.Add(6*time.Hour), now.Add(12*time.Hour))
	c.apply(t, namespace, objects)
	c.awaitReplicas(t, namespace, worker, 0, "outside of the hours")
}

// runsJobs is the policy KEDA/caption-worker/scaled_job.
func runsJobs(t *testing.T, c cluster, b *broker) {
	const namespace = "runs-jobs"
	c.addNamespace(t, namespace)
	c.addQueueSecret(t, namespace, b)
	base := manifests(t, "base/caption-worker")
	// KEDA reads the settings of the Jobs, too, and refuses a ScaledJob whose ConfigMap is missing.
	c.apply(t, namespace, append(only(base, "ServiceAccount"), only(base, "ConfigMap")...))
	c.apply(t, namespace, quicker(t, manifests(t, "KEDA/caption-worker/scaled_job")))
	jobs := func(ctx context.Context, t require.TestingT) int {
		list, err := c.Kube.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{})
		require.NoError(t, err)
		return len(list.Items)
	}
	await := func(want int, why string) {
		eventually(t, func(ctx context.Context, t require.TestingT) { require.Equal(t, want, jobs(ctx, t), why) })
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(pause) {
			require.Equal(t, want, jobs(t.Context(), t), why)
		}
	}
	await(0, "nothing to do")
	b.put(t, 9)
	await(3, "nine tasks, three a Job, and the Jobs run")
	b.put(t, 200)
	await(30, "30 Jobs are the most")
	finish(t, b.take(t, 209))
}
