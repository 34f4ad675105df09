package cpa_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"k8s-scalers/windtunnel/scalers/cpa"
)

// recorded is testdata/cpa.json; its own meta says how each field came about.
type recorded struct {
	Meta struct {
		Live struct {
			Rows []struct {
				Controller    string `json:"controller"`
				ParamsText    string `json:"params_text"`
				ReplicasAfter int32  `json:"replicas_after"`
			} `json:"rows"`
		} `json:"live"`
	} `json:"meta"`
	Rows []row `json:"rows"`
}

type row struct {
	ID               string            `json:"id"`
	Controller       string            `json:"controller"`
	ParamsText       string            `json:"params_text"`
	ConfigMapData    map[string]string `json:"configmap_data"`
	Nodes            int32             `json:"nodes"`
	Cores            int32             `json:"cores"`
	SchedulableNodes int32             `json:"schedulable_nodes"`
	SchedulableCores int32             `json:"schedulable_cores"`
	NodeList         []nodes           `json:"node_list"`
	Replicas         *int32            `json:"replicas"`
	Error            *string           `json:"error"`
}

type nodes struct {
	Count          int    `json:"count"`
	AllocatableCPU string `json:"allocatable_cpu"`
	Unschedulable  bool   `json:"unschedulable"`
	Ready          string `json:"ready"`
}

func load(t *testing.T) recorded {
	t.Helper()
	text, err := os.ReadFile("testdata/cpa.json")
	require.NoError(t, err)
	var file recorded
	require.NoError(t, json.Unmarshal(text, &file))
	require.Len(t, file.Rows, 575)
	return file
}

// TestRecordedDecisions holds every decision and every error to what the original gave.
func TestRecordedDecisions(t *testing.T) {
	for _, r := range load(t).Rows {
		t.Run(r.ID, func(t *testing.T) {
			data := r.ConfigMapData
			if r.Controller != "" {
				data = map[string]string{r.Controller: r.ParamsText}
			}
			size := cpa.Size{
				Nodes: r.Nodes, Cores: r.Cores, SchedulableNodes: r.SchedulableNodes, SchedulableCores: r.SchedulableCores,
			}
			if r.NodeList != nil {
				require.Equal(t, size, cpa.Measure(build(r.NodeList)))
			}
			policy, err := cpa.Parse(data)
			if r.Error != nil {
				require.EqualError(t, err, *r.Error)
				require.Nil(t, policy)
				return
			}
			require.NoError(t, err)
			require.NotNil(t, r.Replicas)
			require.Equal(t, *r.Replicas, policy.Replicas(size))
			require.Equal(t, r.Controller, policy.Mode())
		})
	}
}

// TestRecordedRun follows the original's own binary over changes of its ConfigMap. A ConfigMap that it refuses leaves the
// replicas alone; so does the API server with a negative number, which is how a min of 3,000,000,000 came to change nothing.
func TestRecordedRun(t *testing.T) {
	file := load(t)
	size := cpa.Size{Nodes: 5, Cores: 24, SchedulableNodes: 3, SchedulableCores: 12}
	require.Equal(t, size, cpa.Measure(build([]nodes{
		{Count: 3, AllocatableCPU: "3920m", Ready: "True"},
		{Count: 1, AllocatableCPU: "4", Unschedulable: true, Ready: "True"},
		{Count: 1, AllocatableCPU: "8", Ready: "False"},
	})))
	replicas := int32(1)
	for _, r := range file.Meta.Live.Rows {
		if policy, err := cpa.Parse(map[string]string{r.Controller: r.ParamsText}); err == nil {
			if wanted := policy.Replicas(size); wanted >= 0 {
				replicas = wanted
			}
		}
		require.Equal(t, r.ReplicasAfter, replicas, r.ParamsText)
	}
}

func build(list []nodes) []*corev1.Node {
	var all []*corev1.Node
	for _, n := range list {
		for range n.Count {
			node := &corev1.Node{}
			node.Spec.Unschedulable = n.Unschedulable
			node.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(n.AllocatableCPU)}
			node.Status.Capacity = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("96")}
			if n.Ready != "" {
				node.Status.Conditions = []corev1.NodeCondition{
					{Type: corev1.NodeReady, Status: corev1.ConditionStatus(n.Ready)},
				}
			}
			all = append(all, node)
		}
	}
	return all
}

func FuzzParse(f *testing.F) {
	f.Add("linear", `{"coresPerReplica":2,"nodesPerReplica":1,"preventSinglePointFailure":true}`, int32(3), int32(12))
	f.Add("ladder", `{"coresToReplicas":[[1,1],[64,3]],"nodesToReplicas":[[1,1],[2,2]]}`, int32(3), int32(12))
	f.Fuzz(func(t *testing.T, mode, text string, nodes, cores int32) {
		policy, err := cpa.Parse(map[string]string{mode: text})
		if err != nil {
			require.Nil(t, policy)
			return
		}
		size := cpa.Size{Nodes: nodes, Cores: cores, SchedulableNodes: nodes, SchedulableCores: cores}
		again, err := cpa.Parse(map[string]string{mode: text})
		require.NoError(t, err)
		require.Equal(t, policy.Replicas(size), again.Replicas(size), "the same text means the same")
	})
}
