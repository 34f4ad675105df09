package lint

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/manifest"
)

var update = flag.Bool("update", false, "write what is found in the bad manifests")

// TestEveryRuleFindsItsMistakeAndNothingElse has a folder for each rule, with what a user reads about it in want.txt.
func TestEveryRuleFindsItsMistakeAndNothingElse(t *testing.T) {
	for _, name := range Rules() {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", "bad", name)
			objects, err := manifest.Load(dir)
			require.NoError(t, err)
			findings := Check(objects)
			require.NotEmpty(t, findings)
			for _, f := range findings {
				require.Equal(t, name, f.Rule)
				require.NotEmpty(t, f.Why)
				require.NotEmpty(t, f.Fix)
				for _, p := range f.Places {
					require.Positive(t, p.Position.Line)
				}
			}
			var b strings.Builder
			require.NoError(t, Write(&b, findings))
			golden := filepath.Join(dir, "want.txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), b.String(), "run: go test ./lint -update")
		})
	}
}

func TestEveryBadManifestBelongsToARule(t *testing.T) {
	dirs, err := filepath.Glob("testdata/bad/*")
	require.NoError(t, err)
	for _, d := range dirs {
		require.Contains(t, Rules(), filepath.Base(d))
	}
}

func TestPairsNameBothObjects(t *testing.T) {
	for _, name := range []string{"duplicate", "hpa-hpa", "keda-hpa", "hpa-vpa", "vpa-vpa", "cpa-hpa", "cas-karpenter", "missing-requests", "replicas", "target-missing"} {
		objects, err := manifest.Load(filepath.Join("testdata", "bad", name))
		require.NoError(t, err)
		for _, f := range Check(objects) {
			require.GreaterOrEqual(t, len(f.Places), 2, name)
			require.NotEqual(t, f.Places[0].Position.File, f.Places[1].Position.File, name)
		}
	}
}

// TestTheFixMendsIt applies the fixes that the findings advise, each to a copy of its bad manifest.
func TestTheFixMendsIt(t *testing.T) {
	for _, c := range []struct{ rule, file, from, to string }{
		{"schema", "hpa.yaml", "  scaleDown:\n    stabilization", "  behavior:\n    scaleDown:\n      stabilization"},
		{"duplicate", "memory.yaml", "", ""},
		{"target-missing", "hpa.yaml", "namespace: other", "namespace: demo"},
		{"hpa-hpa", "memory.yaml", "", ""},
		{"keda-hpa", "hpa.yaml", "", ""},
		{"hpa-vpa", "vpa.yaml", "updateMode: Recreate", "updateMode: \"Off\""},
		{"hpa-vpa", "vpa.yaml", "updateMode: Recreate\n", "updateMode: Recreate\n  resourcePolicy:\n    containerPolicies:\n      - containerName: web\n        controlledResources: [memory]\n"},
		{"hpa-vpa", "hpa.yaml", "type: Utilization\n          averageUtilization: 60", "type: AverageValue\n          averageValue: 60m"},
		{"cpa-hpa", "hpa.yaml", "", ""},
		{"cas-karpenter", "nodepool.yaml", "", ""},
		{"missing-requests", "deployment.yaml", "image: example/proxy\n", "image: example/proxy\n          resources: {requests: {cpu: 10m}}\n"},
		{"replicas", "deployment.yaml", "  replicas: 3\n", ""},
		{"min-replicas-zero", "hpa.yaml", "minReplicas: 0", "minReplicas: 1"},
		{"scale-up-window", "hpa.yaml", "Seconds: 300\n", "Seconds: 0\n"},
		{"keda-unacked", "scaledobject.yaml", "protocol: amqp", "protocol: http"},
		{"keda-fallback", "scaledobject.yaml", "replicas: 0", "replicas: 1"},
		{"keda-cooldown", "scaledobject.yaml", "minReplicaCount: 1", "minReplicaCount: 0"},
		{"grace-period", "deployment.yaml", "      containers:", "      terminationGracePeriodSeconds: 120\n      containers:"},
		{"adapter-template", "configmap.yaml", `{namespace="{{namespace}}"}`, "{<<.LabelMatchers>>}"},
		{"vpa-auto", "vpa.yaml", "Auto", "Recreate"},
		{"vpa-memory-floor", "vpa.yaml", "64Mi", "300Mi"},
		{"vpa-singleton", "vpa.yaml", "Recreate\n", "Recreate\n    minReplicas: 1\n"},
		{"karpenter-churn", "nodepool.yaml", "consolidateAfter: 0s", "consolidateAfter: 10m"},
		{"karpenter-spot", "karpenter.yaml", "CLUSTER_NAME", "INTERRUPTION_QUEUE"},
		{"cas-nodes", "cas.yaml", "--nodes=1:10:demo-workers", "--node-group-auto-discovery=asg:tag=x"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "bad", c.rule))))
			path := filepath.Join(dir, c.file)
			if c.from == "" {
				require.NoError(t, os.Remove(path))
			} else {
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Contains(t, string(text), c.from)
				require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), c.from, c.to, 1)), 0o644))
			}
			objects, err := manifest.Load(dir)
			require.NoError(t, err)
			require.Empty(t, Check(objects))
		})
	}
}

func TestUnknownKindsAreListed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("{apiVersion: example.org/v1, kind: Thing, metadata: {name: x}}"), 0o644))
	objects, err := manifest.Load(dir)
	require.NoError(t, err)
	require.Empty(t, Check(objects))
	require.Len(t, Unknown(objects), 1)
}

// deploy is the folder of the manifests that we ship.
const deploy = "../../deploy"

// policies are our folders that are applied beside the services.
func policies(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, top := range []string{"HPA", "VPA", "KEDA", "CPA", "CAS", "Karpenter"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(deploy, top), func(path string, _ os.DirEntry, err error) error {
			if err == nil && filepath.Base(path) == "kustomization.yaml" && !slices.Contains([]string{"authentication", "controller"}, filepath.Base(filepath.Dir(path))) &&
				!strings.Contains(path, "/behavior/") {
				all = append(all, filepath.Dir(path))
			}
			return err
		}))
	}
	return all
}

func TestOurPoliciesHaveNoMistakes(t *testing.T) {
	all := policies(t)
	require.Len(t, all, 24+30+3+2+1+1)
	for _, dir := range all {
		t.Run(dir, func(t *testing.T) {
			objects, err := manifest.Load(filepath.Join(deploy, "base"), dir)
			require.NoError(t, err)
			findings := slices.DeleteFunc(Check(objects), func(f Finding) bool {
				// A VPA that evicts is meant to go with an HPA that keeps two replicas.
				return f.Rule == "vpa-singleton"
			})
			require.Empty(t, findings)
			require.Empty(t, Unknown(objects))
		})
	}
}

// TestCombinationsOfOurPolicies holds deploy/README.md to its word on what goes together.
func TestCombinationsOfOurPolicies(t *testing.T) {
	for _, c := range []struct {
		name    string
		folders []string
		rules   []string
	}{
		{"HPA on CPU, VPA on memory", []string{"HPA/auth-service/resource-metric/cpu", "VPA/auth-service/memory"}, nil},
		{"HPA on memory, VPA on CPU", []string{"HPA/auth-service/resource-metric/memory", "VPA/auth-service/cpu"}, nil},
		{"HPA on requests, VPA on both", []string{"HPA/gateway-service/pod-metric/request_per_second", "VPA/gateway-service/in_place"}, nil},
		{"HPA on CPU, VPA that only recommends", []string{"HPA/upload-service/resource-metric/cpu", "VPA/upload-service/just_recommend"}, nil},
		{"KEDA and VPA for the worker", []string{"KEDA/caption-worker", "VPA/caption-worker/cpu_and_memory"}, nil},
		{"HPA and VPA on CPU", []string{"HPA/auth-service/resource-metric/cpu", "VPA/auth-service/cpu_and_memory"}, []string{"hpa-vpa"}},
		{"HPA on CPU, VPA at the start", []string{"HPA/auth-service/resource-metric/cpu", "VPA/auth-service/initial_recommend"}, []string{"hpa-vpa"}},
		{"two HPA policies", []string{"HPA/auth-service/resource-metric/cpu", "HPA/auth-service/object"}, []string{"duplicate"}},
		{"two VPA policies", []string{"HPA/auth-service/object", "VPA/auth-service/cpu", "VPA/auth-service/memory"}, []string{"duplicate"}},
		{"two ladders", []string{"CPA/linear", "CPA/ladder"}, []string{"duplicate"}},
		{"CAS and Karpenter", []string{"CAS", "Karpenter"}, []string{"cas-karpenter"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			paths := []string{filepath.Join(deploy, "base")}
			for _, f := range c.folders {
				paths = append(paths, filepath.Join(deploy, f))
			}
			objects, err := manifest.Load(paths...)
			require.NoError(t, err)
			var rules []string
			for _, f := range Check(objects) {
				if !slices.Contains(rules, f.Rule) {
					rules = append(rules, f.Rule)
				}
			}
			require.Equal(t, c.rules, rules)
		})
	}
}
