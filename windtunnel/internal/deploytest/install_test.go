package deploytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func install(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(deploy, "addons", "install.sh"), args...).CombinedOutput()
	return string(out), err
}

// releases are what a dry run would install, in order.
func releases(t *testing.T, policies ...string) []string {
	t.Helper()
	out, err := install(t, append([]string{"--dry-run"}, policies...)...)
	require.NoError(t, err, out)
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^(?:helm upgrade --install (\S+)|kubectl apply -k (\S+))`).FindAllStringSubmatch(out, -1) {
		all = append(all, m[1]+m[2])
	}
	return all
}

func TestEachPolicyGetsWhatItNeeds(t *testing.T) {
	for policy, want := range map[string][]string{
		"HPA/auth-service/resource-metric/cpu":               {"metrics-server"},
		"HPA/gateway-service/pod-metric/request_per_second/": {"kube-prometheus-stack", "../monitoring", "prometheus-adapter"},
		"HPA/upload-service/object":                          {"kube-prometheus-stack", "../monitoring", "prometheus-adapter"},
		"./HPA/caption-service/external":                     {"kube-prometheus-stack", "../monitoring", "prometheus-adapter"},
		"VPA/caption-worker/in_place":                        {"metrics-server", "vpa"},
		"KEDA/caption-worker":                                {"keda"},
		"KEDA/caption-worker/scaled_job":                     {"keda"},
		"Karpenter":                                          {"karpenter"},
		"CPA/linear":                                         nil,
		"CAS":                                                nil,
		"monitoring":                                         {"kube-prometheus-stack"},
	} {
		require.Equal(t, want, releases(t, policy), policy)
	}
	require.Equal(t, []string{"metrics-server", "vpa", "kube-prometheus-stack", "../monitoring", "prometheus-adapter", "keda", "karpenter"},
		releases(t, "KEDA/caption-worker", "HPA/auth-service/object", "HPA/auth-service/resource-metric/cpu", "VPA/auth-service/memory", "Karpenter", "monitoring"),
		"each once")
}

func TestEveryChartIsPinnedAndHasItsValues(t *testing.T) {
	out, err := install(t, "--dry-run", "KEDA/caption-worker", "HPA/auth-service/object", "VPA/auth-service/memory", "Karpenter")
	require.NoError(t, err)
	used := map[string]bool{}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "helm") {
			require.Regexp(t, ` --version \d+\.\d+\.\d+ `, line)
			values := regexp.MustCompile(`--values (\S+)`).FindStringSubmatch(line)[1]
			require.FileExists(t, filepath.Join(deploy, "addons", values))
			used[filepath.Base(values)] = true
		}
	}
	files, err := os.ReadDir(filepath.Join(deploy, "addons", "values"))
	require.NoError(t, err)
	require.Len(t, files, len(used), "no values without a chart")
}

// The kubelets of kind have no certificates that metrics-server could check.
func TestMetricsServerOnKind(t *testing.T) {
	for current, insecure := range map[string]bool{"kind-captions": true, "arn:aws:eks:eu-central-1:123456789012:cluster/captions": false} {
		bin := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(bin, "kubectl"), []byte("#!/bin/sh\necho "+current+"\n"), 0o700))
		t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := install(t, "--dry-run", "HPA/auth-service/resource-metric/cpu")
		require.NoError(t, err, out)
		require.Equal(t, insecure, strings.Contains(out, "--set args[1]=--kubelet-insecure-tls"), out)
	}
}

// A ServiceMonitor is refused in a cluster that does not know such a thing.
func TestKEDAIsWatchedWhereThereIsPrometheus(t *testing.T) {
	const monitor = "--set prometheus.operator.serviceMonitor.enabled=true"
	kubectl := func(code int) {
		bin := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(bin, "kubectl"), fmt.Appendf(nil, "#!/bin/sh\nexit %d\n", code), 0o700))
		t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	kubectl(1) // no such definition
	out, err := install(t, "--dry-run", "KEDA/caption-worker")
	require.NoError(t, err, out)
	require.NotContains(t, out, monitor)
	out, err = install(t, "--dry-run", "KEDA/caption-worker", "monitoring")
	require.NoError(t, err, out)
	require.Contains(t, out, monitor)
	kubectl(0)
	out, err = install(t, "--dry-run", "KEDA/caption-worker")
	require.NoError(t, err, out)
	require.Contains(t, out, monitor)
}

func TestInstallRefusesWhatIsNoPolicy(t *testing.T) {
	for args, want := range map[string]string{"": "usage:", "--dry-run": "usage:", "--dry-run HPA": "there is no policy HPA", "--dry-run overlays/kind": "overlays/kind is no policy",
		"--dry-run nowhere": "there is no policy nowhere"} {
		out, err := install(t, strings.Fields(args)...)
		require.Error(t, err, args)
		require.Contains(t, out, want)
	}
}
