//go:build autoscalers

package proof_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"k8s-scalers/windtunnel/internal/controlplane"
	"k8s-scalers/windtunnel/internal/process"
	"k8s-scalers/windtunnel/internal/programs"
)

// TestKarpenter lets the real Karpenter, with its provider of pretended nodes in place of AWS, act on our pools: in a copy,
// the class of the nodes is that provider's, and quiet times are a sixtieth.
func TestKarpenter(t *testing.T) {
	proof(t)
	c := newCluster(t, nil)
	c.startKwok(t, "node-capacity.yaml")
	c.startKarpenter(t)
	pools := manifests(t, "Karpenter")
	require.Len(t, only(pools, "NodePool"), 3)
	for _, pool := range only(pools, "NodePool") {
		pretended(t, pool)
	}
	c.apply(t, "", only(pools, "NodePool"))
	c.addNamespace(t, "captions")
	c.addService(t, "captions", "gateway-service")
	c.addService(t, "captions", worker)

	step := func(name string, prove func(*testing.T)) {
		require.True(t, t.Run(name, prove), "what follows starts from there")
	}
	var large corev1.Node
	step("a node for pending pods", func(t *testing.T) {
		c.scale(t, "gateway-service", 10)
		c.awaitReplicas(t, "captions", "gateway-service", 10, "once there are nodes")
		for _, node := range c.nodesOf(t, "general") {
			requireOrdinary(t, node)
			require.Equal(t, "on-demand", node.Labels["karpenter.sh/capacity-type"])
		}
		require.NotEmpty(t, c.nodesOf(t, "general"))
		for _, node := range c.nodesOf(t, "workers") {
			require.Empty(t, c.podsOn(t, node, "gateway-service"), "what answers people is not interrupted")
		}
	})
	step("spot nodes for workers, and no more than the limits", func(t *testing.T) {
		c.scale(t, worker, 1)
		c.awaitReplicas(t, "captions", worker, 1, "once there are nodes")
		for _, node := range c.nodesOf(t, "workers") {
			requireOrdinary(t, node)
			require.Equal(t, "spot", node.Labels["karpenter.sh/capacity-type"])
		}
		require.NotEmpty(t, c.nodesOf(t, "workers"))
		// More than the pools can take together: some wait, however long.
		c.scale(t, worker, 150)
		eventually(t, func(ctx context.Context, t require.TestingT) {
			_, ready := c.replicas(ctx, t, "captions", worker)
			require.Greater(t, ready, 60)
			require.NotEmpty(t, c.events(ctx, t, "limits"), "Karpenter says that limits keep pods waiting")
		})
		for name, limit := range map[string]int{"workers": 48, "general": 64} {
			cores := 0
			for _, node := range c.nodesOf(t, name) {
				cores += coresOf(t, node)
			}
			require.LessOrEqual(t, cores, limit, "cores in pool %s", name)
		}
	})
	step("nothing is moved while a budget forbids it", func(t *testing.T) {
		c.setBudgets(t, pools, []any{
			map[string]any{"nodes": "100%", "reasons": []any{"Empty"}}, map[string]any{"nodes": "0", "reasons": []any{"Underutilized"}},
		})
		c.scale(t, worker, 0)
		c.scale(t, "gateway-service", 0)
		eventually(t, func(_ context.Context, collect require.TestingT) {
			require.Empty(collect, c.nodesOf(t, "workers"), "empty nodes go")
			require.Empty(collect, c.nodesOf(t, "general"), "empty nodes go")
		})
		// A pod that leaves something small alone on a large node, when it has gone. A single one, because Karpenter takes the
		// wish of two to be spread over zones for a demand, and finds no one node to put both on.
		c.addPod(t, "large", corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("5"), corev1.ResourceMemory: resource.MustParse("1Gi")})
		eventually(t, func(_ context.Context, collect require.TestingT) {
			nodes := c.nodesOf(t, "general")
			require.Len(collect, nodes, 1)
			require.Len(collect, c.podsOn(t, nodes[0], "large"), 1)
		})
		large = c.nodesOf(t, "general")[0]
		require.GreaterOrEqual(t, coresOf(t, large), 8)
		c.scale(t, "gateway-service", 1)
		c.awaitReplicas(t, "captions", "gateway-service", 1, "there is room")
		require.Len(t, c.podsOn(t, large, "gateway-service"), 1)
		require.NoError(t, c.Kube.CoreV1().Pods("captions").Delete(t.Context(), "large", metav1.DeleteOptions{}))
		// Two rounds of looking and of thinking twice, at least.
		for end := time.Now().Add(45 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
			nodes := c.nodesOf(t, "general")
			require.Len(t, nodes, 1)
			require.Equal(t, large.UID, nodes[0].UID, "a node with pods stays")
		}
	})
	step("replaced by a cheaper one as soon as it may be", func(t *testing.T) {
		c.setBudgets(t, pools, []any{map[string]any{"nodes": "10%"}})
		eventually(t, func(_ context.Context, collect require.TestingT) {
			nodes := c.nodesOf(t, "general")
			require.Len(collect, nodes, 1)
			require.NotEqual(collect, large.UID, nodes[0].UID)
			require.Equal(collect, 2, coresOf(t, nodes[0]), "a small one is enough: %s", nodes[0].Name)
			require.Len(collect, c.podsOn(t, nodes[0], "gateway-service"), 1)
		})
		c.awaitReplicas(t, "captions", "gateway-service", 1, "still there")
	})
	step("a node with a GPU for who wants one", func(t *testing.T) {
		require.Empty(t, c.nodesOf(t, "gpu"))
		const gpu = "nvidia.com/gpu"
		c.addPod(t, "whisper", corev1.ResourceList{gpu: resource.MustParse("1")}, corev1.Toleration{Key: gpu, Operator: corev1.TolerationOpExists})
		eventually(t, func(_ context.Context, collect require.TestingT) {
			nodes := c.nodesOf(t, "gpu")
			require.Len(collect, nodes, 1)
			require.Equal(collect, "g4dn.xlarge", nodes[0].Labels[corev1.LabelInstanceTypeStable], "the cheapest with enough memory")
			require.Len(collect, c.podsOn(t, nodes[0], "whisper"), 1)
		})
	})
}

// startKarpenter runs it with the rights that its chart gives its account.
func (c cluster) startKarpenter(t *testing.T) {
	t.Helper()
	require.NoError(t, c.InstallCRDs(t.Context(), controlplane.Karpenter(), controlplane.KarpenterKwok()))
	require.NoError(t, c.Apply(t.Context(), literal(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "karpenter"}})))
	require.NoError(t, c.Apply(t.Context(), literal(map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"namespace": "karpenter", "name": "karpenter"}})))
	dir, err := programs.ModuleDir(t.Context(), programs.KarpenterKwok(), "sigs.k8s.io/karpenter")
	require.NoError(t, err)
	for _, file := range []string{"clusterrole.yaml", "clusterrole-kwok.yaml", "role.yaml"} {
		text, err := os.ReadFile(filepath.Join(dir, "kwok", "charts", "templates", file))
		require.NoError(t, err)
		require.NoError(t, c.Apply(t.Context(), chartRoles(t, file, string(text))...))
	}
	kubeconfig, err := c.ServiceAccountKubeconfig(t.Context(), "karpenter", "karpenter")
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), literal(map[string]any{
		"apiVersion": "karpenter.kwok.sh/v1alpha1", "kind": "KWOKNodeClass", "metadata": map[string]any{"name": "default"},
	})))
	ports, err := controlplane.FreePorts(t.Context(), 2)
	require.NoError(t, err)
	_, err = c.Run(process.Spec{Name: "karpenter", Path: build(t, programs.KarpenterKwok()), Env: []string{
		"KUBECONFIG=" + kubeconfig, "SYSTEM_NAMESPACE=karpenter", "DISABLE_LEADER_ELECTION=true",
		fmt.Sprintf("METRICS_PORT=%d", ports[0]), fmt.Sprintf("HEALTH_PROBE_PORT=%d", ports[1]),
		"INSTANCE_TYPES_FILE_PATH=" + catalogue(t, c.Dir),
		// What a node has counts against the limits when the node has said so, which is not at once on a starved machine:
		// until then no further ones are planned.
		"BATCH_IDLE_DURATION=3s",
	}})
	require.NoError(t, err)
}

// chartRoles are the roles in a template of Karpenter's chart, bound to its account. Their rules are plain YAML; what is
// filled in around them is names and labels.
func chartRoles(t *testing.T, file, text string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for i, document := range strings.Split(text, "\n---") {
		head, rules, ok := strings.Cut(document, "\nrules:")
		if !ok {
			continue
		}
		var plain []string
		for line := range strings.Lines(rules) {
			if !strings.Contains(line, "{{") {
				plain = append(plain, line)
			}
		}
		var parsed []any
		require.NoError(t, yaml.Unmarshal([]byte(strings.Join(plain, "")), &parsed))
		require.NotEmpty(t, parsed)
		kind, metadata := "ClusterRole", map[string]any{"name": fmt.Sprintf("karpenter-%s-%d", strings.TrimSuffix(file, ".yaml"), i)}
		if strings.Contains(head, "kind: Role\n") {
			kind, metadata["namespace"] = "Role", "karpenter"
			for line := range strings.Lines(head) {
				if namespace, ok := strings.CutPrefix(strings.TrimSpace(line), "namespace: "); ok && !strings.Contains(namespace, "{{") {
					metadata["namespace"] = namespace
				}
			}
		}
		objects = append(objects,
			literal(map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": parsed}),
			literal(map[string]any{
				"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind + "Binding", "metadata": metadata,
				"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": metadata["name"]},
				"subjects": []any{map[string]any{"kind": "ServiceAccount", "namespace": "karpenter", "name": "karpenter"}},
			}))
	}
	require.NotEmpty(t, objects, "roles in %s", file)
	return objects
}

// literal is an object with its own copy of everything in it.
func literal(content map[string]any) *unstructured.Unstructured {
	return (&unstructured.Unstructured{Object: content}).DeepCopy()
}

// pretended makes a pool one of pretended nodes.
func pretended(t *testing.T, pool *unstructured.Unstructured) {
	t.Helper()
	require.NoError(t, unstructured.SetNestedField(pool.Object, map[string]any{
		"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default",
	}, "spec", "template", "spec", "nodeClassRef"))
	text, found, err := unstructured.NestedString(pool.Object, "spec", "disruption", "consolidateAfter")
	require.NoError(t, err)
	require.True(t, found)
	quiet, err := time.ParseDuration(text)
	require.NoError(t, err)
	require.NoError(t, unstructured.SetNestedField(pool.Object, (quiet/60).String(), "spec", "disruption", "consolidateAfter"))
}

// setBudgets gives the general pool budgets that do not depend on the time of the day at which a test runs.
func (c cluster) setBudgets(t *testing.T, pools []*unstructured.Unstructured, budgets []any) {
	t.Helper()
	for _, pool := range only(pools, "NodePool") {
		if pool.GetName() == "general" {
			require.NoError(t, unstructured.SetNestedSlice(pool.Object, budgets, "spec", "disruption", "budgets"))
			require.NoError(t, c.Apply(t.Context(), pool))
		}
	}
}

// scale tells a Deployment how many pods to run, as its autoscaler would.
func (c cluster) scale(t *testing.T, name string, replicas int) {
	t.Helper()
	_, err := c.Kube.AppsV1().Deployments("captions").Patch(t.Context(), name, types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas), metav1.PatchOptions{})
	require.NoError(t, err)
}

// nodesOf returns the nodes of a pool.
func (c cluster) nodesOf(t *testing.T, pool string) []corev1.Node {
	t.Helper()
	list, err := c.Kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: "karpenter.sh/nodepool=" + pool})
	require.NoError(t, err)
	return list.Items
}

// coresOf is how many cores the machine of a node has.
func coresOf(t *testing.T, node corev1.Node) int {
	t.Helper()
	cores, err := strconv.Atoi(node.Labels["karpenter.k8s.aws/instance-cpu"])
	require.NoError(t, err)
	return cores
}

// podsOn returns the pods of a service on a node.
func (c cluster) podsOn(t *testing.T, node corev1.Node, service string) []corev1.Pod {
	t.Helper()
	list, err := c.Kube.CoreV1().Pods("captions").List(t.Context(), metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/name=" + service, FieldSelector: "spec.nodeName=" + node.Name,
	})
	require.NoError(t, err)
	return list.Items
}

// events returns what has been told with a word in it.
func (c cluster) events(ctx context.Context, t require.TestingT, word string) []string {
	list, err := c.Kube.CoreV1().Events("").List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	var found []string
	for _, event := range list.Items {
		if strings.Contains(event.Message, word) {
			found = append(found, event.Message)
		}
	}
	return found
}

// requireOrdinary holds a node to the types that the pools for ordinary machines allow.
func requireOrdinary(t *testing.T, node corev1.Node) {
	t.Helper()
	require.Contains(t, []string{"c", "m", "r"}, node.Labels["karpenter.k8s.aws/instance-category"], "%v", node.Labels)
	require.Contains(t, []string{"5", "6", "7"}, node.Labels["karpenter.k8s.aws/instance-generation"])
	require.Contains(t, []string{"2", "4", "8", "16"}, node.Labels["karpenter.k8s.aws/instance-cpu"])
	require.Equal(t, "amd64", node.Labels[corev1.LabelArchStable])
}

// addPod runs a pod that wants something.
func (c cluster) addPod(t *testing.T, name string, wants corev1.ResourceList, tolerations ...corev1.Toleration) {
	t.Helper()
	_, err := c.Kube.CoreV1().Pods("captions").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app.kubernetes.io/name": name}},
		Spec: corev1.PodSpec{
			Tolerations:     tolerations,
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: name, Image: name,
				Resources:       corev1.ResourceRequirements{Limits: wants},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}
