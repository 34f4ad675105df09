//go:build autoscalers

package proof_test

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"k8s-scalers/windtunnel"
	memory "k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/internal/controlplane/metricsapi"
	"k8s-scalers/windtunnel/internal/engine"
	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
	"k8s-scalers/windtunnel/windtunneltest"
	"k8s-scalers/windtunnel/workload"
)

// What virtual and real time may differ in: one replica or node, one sync period of the HPA controller, and a twentieth of all samples.
const (
	oneMore   = 1
	oneSync   = 15
	agreement = 0.95
)

// TestVirtualTime runs a scenario in virtual time, and the same one on a real control plane for as long as it says: a quarter of an hour.
// Nothing is shortened. The load, and what it costs the pods, is the same code with the same seed; what the real controllers see of it
// comes through the metrics API.
func TestVirtualTime(t *testing.T) {
	proof(t)
	var runs []virtualRun
	for _, name := range []string{"hpa", "karpenter"} {
		path := filepath.Join("testdata", "virtual", name+".yaml")
		s, err := scenario.Read(path)
		require.NoError(t, err)
		// One after the other, and before the real ones: a bubble has the log of all controllers in this process.
		result := windtunneltest.Run(t, path, windtunnel.Options{})
		require.Empty(t, result.Warnings)
		runs = append(runs, virtualRun{name, s, result})
	}
	t.Run("real", func(t *testing.T) {
		for _, run := range runs {
			t.Run(run.name, func(t *testing.T) {
				t.Parallel()
				measured := run.inRealTime(t)
				replicas := run.result.Workloads[0].Replicas.Desired
				require.Greater(t, float64(replicas.Max()-replicas.Min()), 8.0, "the scenario scales")
				requireAgreement(t, "replicas", measured.replicas, replicas)
				if run.name == "karpenter" {
					require.Greater(t, float64(run.result.Cluster.Ready.Max()-run.result.Cluster.Ready.Min()), 3.0, "the scenario scales")
					requireAgreement(t, "nodes", measured.nodes, run.result.Cluster.Ready)
				}
			})
		}
	})
}

type virtualRun struct {
	name     string
	scenario *scenario.Scenario
	result   *report.Result
}

// series is what was seen each second.
type series struct{ replicas, nodes []float64 }

// requireAgreement compares each second of the real run with the virtual one within a sync period.
func requireAgreement(t *testing.T, what string, seen []float64, virtual report.Series) {
	t.Helper()
	require.Len(t, seen, len(virtual))
	agree := 0
	for i, value := range seen {
		for j := max(0, i-oneSync); j <= min(len(virtual)-1, i+oneSync); j++ {
			if d := value - float64(virtual[j]); -oneMore <= d && d <= oneMore {
				agree++
				break
			}
		}
	}
	var both strings.Builder
	for i := 0; i < len(seen); i += oneSync {
		fmt.Fprintf(&both, " %d:%.0f/%.0f", i, seen[i], float64(virtual[i]))
	}
	share := float64(agree) / float64(len(seen))
	t.Logf("%s agree at %.1f %% of samples; seconds, real and virtual:%s", what, share*100, both.String())
	require.GreaterOrEqual(t, share, agreement, what)
}

// inRealTime runs the scenario on a control plane.
func (r virtualRun) inRealTime(t *testing.T) series {
	c := newCluster(t, nil)
	c.startKwok(t, "node-capacity.yaml")
	const namespace = "shop"
	c.addNamespace(t, namespace)
	source := newModelled(r.scenario)
	stop, err := metricsapi.Start(t.Context(), c.ControlPlane, source)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stop()) })
	if r.name == "karpenter" {
		c.startKarpenter(t)
		for _, pool := range only(ofScenario(t, "karpenter"), "NodePool") {
			require.NoError(t, unstructured.SetNestedField(pool.Object, map[string]any{
				"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default",
			}, "spec", "template", "spec", "nodeClassRef"))
			require.NoError(t, c.Apply(t.Context(), pool))
		}
	} else {
		c.addNodes(t, 3)
	}
	c.apply(t, "", ofScenario(t, "hpa"))
	c.awaitReplicas(t, namespace, "web", 2, "the first pods")

	var seen series
	begin := time.Now()
	points := int(r.scenario.Duration / time.Second)
	for second := 0; second <= points; second++ {
		// On a machine that falls behind, the model catches up.
		time.Sleep(time.Until(begin.Add(time.Duration(second) * time.Second)))
		pods, err := c.Kube.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		source.step(pods.Items, second)
		wanted, _ := c.replicas(t.Context(), t, namespace, "web")
		nodes, err := c.Kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		seen.replicas = append(seen.replicas, float64(wanted))
		seen.nodes = append(seen.nodes, float64(len(nodes.Items)))
	}
	return seen
}

// ofScenario are the objects that a scenario names.
func ofScenario(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	loaded, err := manifest.Load(filepath.Join("testdata", "virtual", folder))
	require.NoError(t, err)
	var objects []*unstructured.Unstructured
	for _, o := range loaded {
		objects = append(objects, o.Unstructured)
	}
	return objects
}

// modelled is a [metricsapi.Source]: the model of a workload on the pods of a real cluster.
type modelled struct {
	scenario *scenario.Scenario
	mu       sync.Mutex
	model    *workload.Requests
	pods     map[types.UID]*memory.Pod
	usage    map[string]corev1.ResourceList // at the last scrape, by the names of pods
}

func newModelled(s *scenario.Scenario) *modelled {
	return &modelled{scenario: s, model: engine.NewRequests(s, &s.Workloads[0]), pods: map[types.UID]*memory.Pod{}}
}

// step lets a second of load happen to the pods, and looks at what they use when it is time.
func (m *modelled) step(list []corev1.Pod, second int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.pods
	m.pods = map[types.UID]*memory.Pod{}
	for i := range list {
		if pod := asModelled(&list[i], before[list[i].UID]); pod != nil {
			m.pods[pod.UID] = pod
		}
	}
	for uid, pod := range before {
		if m.pods[uid] == nil {
			m.model.Kill(pod)
			m.model.Gone(pod)
		}
	}
	pods := slices.SortedFunc(maps.Values(m.pods), func(a, b *memory.Pod) int { return cmp.Compare(a.Name, b.Name) })
	m.model.Advance(pods, time.Second)
	interval := m.scenario.Metrics.Interval
	if second == 0 || time.Duration(second)*time.Second%interval != 0 {
		return
	}
	m.usage = map[string]corev1.ResourceList{}
	for _, pod := range pods {
		ran := time.Since(pod.Started)
		cpuSeconds, used := m.model.Usage(pod)
		if ran >= engine.FreshContainer {
			m.usage[pod.Name] = corev1.ResourceList{
				corev1.ResourceCPU:    quantity(cpuSeconds / min(interval, ran).Seconds()),
				corev1.ResourceMemory: *resource.NewQuantity(int64(used), resource.BinarySI),
			}
		}
	}
}

// asModelled is a pod as the model knows it, once its containers have started.
func asModelled(pod *corev1.Pod, known *memory.Pod) *memory.Pod {
	if pod.Status.Phase != corev1.PodRunning {
		return nil
	}
	if known == nil {
		known = &memory.Pod{UID: pod.UID, Namespace: pod.Namespace, Name: pod.Name, Node: pod.Spec.NodeName, Started: pod.Status.StartTime.Time}
		for _, c := range pod.Spec.Containers {
			known.Containers = append(known.Containers, memory.Container{Name: c.Name})
		}
	}
	known.Stopping = pod.DeletionTimestamp != nil
	known.Ready = false
	for _, c := range pod.Status.Conditions {
		known.Ready = known.Ready || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && !known.Stopping
	}
	return known
}

// Usage implements metricsapi.Source.
func (m *modelled) Usage(_ string, pods []corev1.Pod) map[string]map[string]corev1.ResourceList {
	m.mu.Lock()
	defer m.mu.Unlock()
	usage := map[string]map[string]corev1.ResourceList{}
	for _, pod := range pods {
		if used, ok := m.usage[pod.Name]; ok {
			usage[pod.Name] = map[string]corev1.ResourceList{pod.Spec.Containers[0].Name: used}
		}
	}
	return usage
}

// PodMetric implements metricsapi.Source.
func (*modelled) PodMetric(string, string, []corev1.Pod) map[string]resource.Quantity { return nil }

// ObjectMetric implements metricsapi.Source.
func (*modelled) ObjectMetric(string, string, string, string) (resource.Quantity, bool) {
	return resource.Quantity{}, false
}

// ExternalMetric implements metricsapi.Source.
func (*modelled) ExternalMetric(string, string) (resource.Quantity, bool) {
	return resource.Quantity{}, false
}

var _ metricsapi.Source = (*modelled)(nil)
