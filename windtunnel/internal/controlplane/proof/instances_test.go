//go:build autoscalers

package proof_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// instance is a type of machine, as Karpenter's provider of pretended nodes reads it.
type instance struct {
	Name             string                         `json:"name"`
	Offerings        []offering                     `json:"offerings"`
	Architecture     string                         `json:"architecture"`
	OperatingSystems []string                       `json:"operatingSystems"`
	Resources        map[corev1.ResourceName]string `json:"resources"`
}

type offering struct {
	Price        float64                          `json:"Price"`
	Available    bool                             `json:"Available"`
	Requirements []corev1.NodeSelectorRequirement `json:"Requirements"`
}

// family is a row of a catalogue like Amazon's: sizes double in everything, price included.
type family struct {
	name, category, generation string
	architecture               string
	gigabytes                  int // a core
	price                      float64
	gpu                        int // megabytes of its only one
}

// families are those that the pools are meant to choose, and some that they are meant to leave: too old, burstable, of
// another architecture. Prices are of the size "large", or of "xlarge" for those with a GPU, per hour on demand.
func families() []family {
	return []family{
		{"c5", "c", "5", "amd64", 2, .085, 0}, {"c6i", "c", "6", "amd64", 2, .085, 0}, {"c7i", "c", "7", "amd64", 2, .0893, 0},
		{"m5", "m", "5", "amd64", 4, .096, 0}, {"m6i", "m", "6", "amd64", 4, .096, 0}, {"m7i", "m", "7", "amd64", 4, .1008, 0},
		{"r5", "r", "5", "amd64", 8, .126, 0}, {"r6i", "r", "6", "amd64", 8, .126, 0}, {"r7i", "r", "7", "amd64", 8, .1323, 0},
		{"m4", "m", "4", "amd64", 4, .05, 0}, {"t3", "t", "3", "amd64", 4, .04, 0}, {"c7g", "c", "7", "arm64", 2, .03, 0},
		{"g4dn", "g", "4", "amd64", 4, .526, 16384}, {"g5", "g", "5", "amd64", 4, 1.006, 24576}, {"g3s", "g", "3", "amd64", 7, .3, 8192},
	}
}

// catalogue writes the file of all types, with the labels that Karpenter's provider for AWS gives them, so that the pools'
// requirements mean here what they mean there.
func catalogue(t *testing.T, dir string) string {
	t.Helper()
	var all []instance
	for _, f := range families() {
		for i, size := range []string{"large", "xlarge", "2xlarge", "4xlarge", "8xlarge"} {
			cores := 2 << i
			if f.gpu > 0 && size != "xlarge" {
				continue
			}
			labels := map[string]string{
				"karpenter.k8s.aws/instance-category": f.category, "karpenter.k8s.aws/instance-generation": f.generation,
				"karpenter.k8s.aws/instance-family": f.name, "karpenter.k8s.aws/instance-cpu": strconv.Itoa(cores),
			}
			one := instance{
				Name: f.name + "." + size, Architecture: f.architecture, OperatingSystems: []string{"linux"},
				Resources: map[corev1.ResourceName]string{
					corev1.ResourceCPU: strconv.Itoa(cores), corev1.ResourceMemory: strconv.Itoa(cores*f.gigabytes) + "Gi",
					corev1.ResourceEphemeralStorage: "100Gi", corev1.ResourcePods: "58",
				},
			}
			price := f.price * float64(int(1)<<i)
			if f.gpu > 0 {
				price = f.price
				one.Resources["nvidia.com/gpu"] = "1"
				labels["karpenter.k8s.aws/instance-gpu-manufacturer"] = "nvidia"
				labels["karpenter.k8s.aws/instance-gpu-count"] = "1"
				labels["karpenter.k8s.aws/instance-gpu-memory"] = strconv.Itoa(f.gpu)
			}
			for _, zone := range []string{"us-east-1a", "us-east-1b", "us-east-1c"} {
				for capacity, factor := range map[string]float64{"on-demand": 1, "spot": .7} {
					labels["topology.kubernetes.io/zone"], labels["karpenter.sh/capacity-type"] = zone, capacity
					o := offering{Price: price * factor, Available: true}
					for _, key := range sets.List(sets.KeySet(labels)) {
						o.Requirements = append(o.Requirements, corev1.NodeSelectorRequirement{
							Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{labels[key]},
						})
					}
					one.Offerings = append(one.Offerings, o)
				}
			}
			all = append(all, one)
		}
	}
	text, err := json.Marshal(all)
	require.NoError(t, err)
	path := filepath.Join(dir, "instance-types.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}
