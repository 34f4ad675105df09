//go:build autoscalers

package proof_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	resourcehelper "k8s.io/component-helpers/resource"

	"k8s-scalers/windtunnel/internal/programs"
)

// TestVPA lets the real recommender, updater and admission controller act on each policy, all at the same time. The pods
// use more than they request, by a factor that leaves no doubt.
func TestVPA(t *testing.T) {
	proof(t)
	c := newCluster(t, nil)
	c.startKwok(t, "pod-resize.yaml")
	c.addNodes(t, 3)
	load := newLoad()
	c.serveMetrics(t, eachPod{load})
	c.startVPA(t)
	// 5 services, each with 6 policies.
	provePolicies(t, "VPA", 30, func(t *testing.T, object *unstructured.Unstructured, namespace string) {
		v := vertical{cluster: c, load: load, vpa: object, namespace: namespace}
		v.prove(t)
	})
}

// eachPod is a load that does not depend on the number of pods: each of them uses all of it. What one leaves while it is
// replaced does not make the others use more, and so recommendations stand still.
type eachPod struct{ *load }

// Usage implements metricsapi.Source.
func (e eachPod) Usage(namespace string, pods []corev1.Pod) map[string]map[string]corev1.ResourceList {
	usage := map[string]map[string]corev1.ResourceList{}
	for _, pod := range pods {
		maps.Copy(usage, e.load.Usage(namespace, []corev1.Pod{pod}))
	}
	return usage
}

// startVPA builds the three programs, which the ledger tells of, and runs them.
func (c cluster) startVPA(t *testing.T) {
	t.Helper()
	for _, p := range []programs.Program{programs.VPAAdmission(), programs.VPARecommender(), programs.VPAUpdater()} {
		build(t, p)
	}
	require.NoError(t, c.StartVPA(t.Context()))
}

// vertical is one VPA in a namespace of its own.
type vertical struct {
	cluster
	load      *load
	vpa       *unstructured.Unstructured
	namespace string
	service   string
	template  corev1.ResourceRequirements
}

// copies is how many pods there are: enough for the updater, which leaves a single one alone.
const copies = 3

func (v *vertical) prove(t *testing.T) {
	v.addNamespace(t, v.namespace)
	v.service, _, _ = unstructured.NestedString(v.vpa.Object, "spec", "targetRef", "name")
	v.addService(t, v.namespace, v.service)
	_, err := v.Kube.AppsV1().Deployments(v.namespace).Patch(t.Context(), v.service, types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, copies), metav1.PatchOptions{})
	require.NoError(t, err)
	v.awaitReplicas(t, v.namespace, v.service, copies, "before there is a policy")
	var before []corev1.Pod
	eventually(t, func(ctx context.Context, t require.TestingT) {
		before = v.pods(ctx, t)
		for _, pod := range before {
			require.NotNil(t, pod.Status.ContainerStatuses[0].Resources, "node %s reports what %s has", pod.Spec.NodeName, pod.Name)
		}
	})
	v.template = before[0].Spec.Containers[0].Resources
	controlled := v.controlled(t)
	for name, request := range resourcehelper.PodRequests(&before[0], resourcehelper.PodResourcesOptions{}) {
		v.load.put(v.namespace, string(name), 2.5*request.AsApproximateFloat64())
	}
	v.apply(t, v.namespace, []*unstructured.Unstructured{v.vpa.DeepCopy()})
	v.awaitRecommendation(t, controlled)

	mode, _, _ := unstructured.NestedString(v.vpa.Object, "spec", "updatePolicy", "updateMode")
	switch mode {
	case "Off":
		v.stays(t, before)
		v.requireRequests(t, v.replaceOne(t), nil)
	case "Initial":
		v.stays(t, before)
		v.requireRequests(t, v.replaceOne(t), v.target(t.Context(), t))
	case "Recreate":
		v.awaitChange(t, controlled, func(now []corev1.Pod, t require.TestingT) {
			for _, pod := range before {
				require.NotContains(t, uids(now), pod.UID, "all pods are new")
			}
		})
	case "InPlaceOrRecreate":
		v.awaitChange(t, controlled, func(now []corev1.Pod, t require.TestingT) {
			require.ElementsMatch(t, uids(before), uids(now), "all pods are the same")
		})
	default:
		require.Failf(t, "the proof does not know this mode", "%q", mode)
	}
}

// controlled are the resources that a policy says that it changes.
func (v *vertical) controlled(t *testing.T) []corev1.ResourceName {
	t.Helper()
	policies, _, err := unstructured.NestedSlice(v.vpa.Object, "spec", "resourcePolicy", "containerPolicies")
	require.NoError(t, err)
	require.Len(t, policies, 1, "one container a pod")
	names, found, err := unstructured.NestedStringSlice(policies[0].(map[string]any), "controlledResources")
	require.NoError(t, err)
	if !found {
		return []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}
	}
	var controlled []corev1.ResourceName
	for _, name := range names {
		controlled = append(controlled, corev1.ResourceName(name))
	}
	return controlled
}

// awaitRecommendation waits for a target of more than what pods request, of the controlled resources and no others.
func (v *vertical) awaitRecommendation(t *testing.T, controlled []corev1.ResourceName) {
	t.Helper()
	eventually(t, func(ctx context.Context, t require.TestingT) {
		target := v.target(ctx, t)
		require.Len(t, target, len(controlled))
		for _, name := range controlled {
			request, recommended := v.template.Requests[name], target[name]
			require.Positive(t, recommended.Cmp(request), "recommended %s", name)
		}
	})
}

// target is what is recommended now.
func (v *vertical) target(ctx context.Context, t require.TestingT) corev1.ResourceList {
	client, err := v.Resource(v.moved())
	require.NoError(t, err)
	vpa, err := client.Get(ctx, v.vpa.GetName(), metav1.GetOptions{})
	require.NoError(t, err)
	recommendations, _, err := unstructured.NestedSlice(vpa.Object, "status", "recommendation", "containerRecommendations")
	require.NoError(t, err)
	require.Len(t, recommendations, 1, "recommendations for containers")
	values, _, err := unstructured.NestedStringMap(recommendations[0].(map[string]any), "target")
	require.NoError(t, err)
	target := corev1.ResourceList{}
	for name, value := range values {
		target[corev1.ResourceName(name)] = resource.MustParse(value)
	}
	return target
}

func (v *vertical) moved() *unstructured.Unstructured {
	o := v.vpa.DeepCopy()
	move(o, v.namespace)
	return o
}

// pods are those that are there to stay.
func (v *vertical) pods(ctx context.Context, t require.TestingT) []corev1.Pod {
	list, err := v.Kube.CoreV1().Pods(v.namespace).List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	var pods []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning {
			pods = append(pods, pod)
		}
	}
	return pods
}

func uids(pods []corev1.Pod) []types.UID {
	var found []types.UID
	for _, pod := range pods {
		found = append(found, pod.UID)
	}
	return found
}

// awaitChange waits until all pods request about what is recommended now.
func (v *vertical) awaitChange(t *testing.T, controlled []corev1.ResourceName, more func(now []corev1.Pod, t require.TestingT)) {
	t.Helper()
	eventually(t, func(ctx context.Context, t require.TestingT) {
		now := v.pods(ctx, t)
		require.Len(t, now, copies)
		target := v.target(ctx, t)
		require.Len(t, target, len(controlled))
		for _, pod := range now {
			v.requireRequests(t, pod, target)
		}
		more(now, t)
	})
}

// requireRequests holds a pod to what is recommended for some resources, and to its template for everything else.
func (v *vertical) requireRequests(t require.TestingT, pod corev1.Pod, target corev1.ResourceList) {
	got := pod.Spec.Containers[0].Resources
	require.Len(t, got.Requests, len(v.template.Requests))
	for name, want := range v.template.Requests {
		request := got.Requests[name]
		recommended, ok := target[name]
		if !ok {
			require.Zero(t, request.Cmp(want), "request for %s of %s is %s, and %s in the template", name, pod.Name, &request, &want)
			continue
		}
		// A recommendation moves a little while figures come in, and the updater leaves small differences alone.
		require.InEpsilon(t, recommended.AsApproximateFloat64(), request.AsApproximateFloat64(), 0.15, "request for %s of %s", name, pod.Name)
	}
	require.Equal(t, quantities(v.template.Limits), quantities(got.Limits), "limits of %s", pod.Name)
}

func quantities(list corev1.ResourceList) map[corev1.ResourceName]string {
	texts := map[corev1.ResourceName]string{}
	for name, q := range list {
		texts[name] = q.String()
	}
	return texts
}

// stays watches that no pod is replaced or changed while the updater looks at them several times.
func (v *vertical) stays(t *testing.T, before []corev1.Pod) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		now := v.pods(t.Context(), t)
		require.ElementsMatch(t, uids(before), uids(now), "all pods are the same")
		for _, pod := range now {
			v.requireRequests(t, pod, nil)
		}
	}
}

// replaceOne deletes a pod and returns the one that comes instead.
func (v *vertical) replaceOne(t *testing.T) corev1.Pod {
	t.Helper()
	before := v.pods(t.Context(), t)
	require.NoError(t, v.Kube.CoreV1().Pods(v.namespace).Delete(t.Context(), before[0].Name, metav1.DeleteOptions{}))
	var fresh corev1.Pod
	eventually(t, func(ctx context.Context, t require.TestingT) {
		now := v.pods(ctx, t)
		require.Len(t, now, copies)
		for _, pod := range now {
			if !containsUID(before, pod.UID) {
				fresh = pod
				return
			}
		}
		require.Fail(t, "no new pod")
	})
	return fresh
}

func containsUID(pods []corev1.Pod, uid types.UID) bool {
	for _, pod := range pods {
		if pod.UID == uid {
			return true
		}
	}
	return false
}
