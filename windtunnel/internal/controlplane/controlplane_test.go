//go:build autoscalers

package controlplane_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned"

	"k8s-scalers/windtunnel/internal/controlplane"
	"k8s-scalers/windtunnel/internal/controlplane/metricsapi"
)

// parent makes the test program start a control plane, say so, and wait to be killed.
const parent = "CONTROLPLANE_TEST_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parent); dir != "" {
		cp, err := controlplane.Start(context.Background(), controlplane.Options{Dir: dir, Logger: slog.Default()})
		if err != nil {
			panic(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "ready"), []byte(cp.Config.Host), 0o600); err != nil {
			panic(err)
		}
		select {}
	}
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, flags map[string][]string) *controlplane.ControlPlane {
	t.Helper()
	cp, err := controlplane.Start(t.Context(), controlplane.Options{
		Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Flags: flags,
	})
	require.NoError(t, err)
	t.Cleanup(cp.Close)
	return cp
}

func TestControlPlane(t *testing.T) {
	cp := start(t, nil)
	objects, err := controlplane.Decode([]byte(deployment))
	require.NoError(t, err)
	require.NoError(t, cp.Apply(t.Context(), objects...))

	// The controllers act.
	require.Eventually(t, func() bool {
		pods, err := cp.Kube.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		// The scheduler has looked at one, and there are no nodes.
		return err == nil && len(pods.Items) == 3 && len(pods.Items[0].Status.Conditions) > 0 &&
			strings.Contains(pods.Items[0].Status.Conditions[0].Message, "no nodes available")
	}, time.Minute, 50*time.Millisecond)

	// A field that the API does not know is an error that names it.
	objects, err = controlplane.Decode([]byte(strings.ReplaceAll(deployment, "replicas:", "replica:")))
	require.NoError(t, err)
	require.ErrorContains(t, cp.Apply(t.Context(), objects...), "Deployment web: failed to create typed patch object")
}

// An account has its own rights and no others.
func TestServiceAccounts(t *testing.T) {
	cp := start(t, nil)
	path, err := cp.ServiceAccountKubeconfig(t.Context(), "default", "default")
	require.NoError(t, err)
	config, err := clientcmd.BuildConfigFromFlags("", path)
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	_, err = client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	require.ErrorContains(t, err, "system:serviceaccount:default:default")

	_, err = cp.ServiceAccountKubeconfig(t.Context(), "default", "nobody")
	require.ErrorContains(t, err, "token of account nobody in default")
}

func TestAggregation(t *testing.T) {
	cp := start(t, nil)
	stop, err := metricsapi.Start(t.Context(), cp, nothing{})
	require.NoError(t, err)
	defer func() { require.NoError(t, stop()) }()
	client, err := metrics.NewForConfig(cp.Config)
	require.NoError(t, err)
	list, err := client.MetricsV1beta1().PodMetricses("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, list.Items)
}

type nothing struct{}

func (nothing) Usage(string, []corev1.Pod) map[string]map[string]corev1.ResourceList { return nil }

func (nothing) PodMetric(string, string, []corev1.Pod) map[string]resource.Quantity { return nil }

func (nothing) ObjectMetric(string, string, string, string) (resource.Quantity, bool) {
	return resource.Quantity{}, false
}

func (nothing) ExternalMetric(string, string) (resource.Quantity, bool) {
	return resource.Quantity{}, false
}

// Nothing of it is left when the process that started it is killed.
func TestEndsWithItsParent(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), parent+"="+dir)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "ready"))
		return err == nil
	}, 5*time.Minute, 50*time.Millisecond)
	require.NotEmpty(t, processesOf(t, dir))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool { return len(processesOf(t, dir)) == 0 }, time.Minute, 50*time.Millisecond)
}

// It listens on the loopback address alone.
func TestLoopbackOnly(t *testing.T) {
	cp := start(t, nil)
	inodes := map[string]bool{}
	for _, pid := range processesOf(t, cp.Dir) {
		fds, err := os.ReadDir(filepath.Join("/proc", pid, "fd"))
		require.NoError(t, err)
		for _, fd := range fds {
			// One that was closed meanwhile is no socket that listens.
			target, _ := os.Readlink(filepath.Join("/proc", pid, "fd", fd.Name()))
			if inode, ok := strings.CutPrefix(target, "socket:["); ok {
				inodes[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	var listening []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			const listen = "0A"
			fields := strings.Fields(line)
			if len(fields) > 9 && fields[3] == listen && inodes[fields[9]] {
				listening = append(listening, fields[1])
			}
		}
	}
	require.Len(t, listening, 3, "etcd twice, and the API server")
	for _, address := range listening {
		hex, _, _ := strings.Cut(address, ":")
		n, err := strconv.ParseUint(hex, 16, 32)
		require.NoError(t, err)
		require.True(t, net.IPv4(byte(n), byte(n>>8), byte(n>>16), byte(n>>24)).IsLoopback(), address)
	}
}

// A wrong flag is told in the words of the part that got it.
func TestWrongFlagIsTold(t *testing.T) {
	_, err := controlplane.Start(t.Context(), controlplane.Options{
		Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Flags: map[string][]string{controlplane.APIServer: {"--no-such-flag"}},
	})
	require.ErrorContains(t, err, "kube-apiserver has ended")
	require.ErrorContains(t, err, "unknown flag: --no-such-flag")
}

// processesOf returns the ids of the processes that have a folder on their command line.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	var found []string
	for _, path := range all {
		// One that has ended meanwhile has no command line.
		if line, err := os.ReadFile(filepath.Join(path, "cmdline")); err == nil && strings.Contains(string(line), dir) {
			found = append(found, filepath.Base(path))
		}
	}
	return found
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
`
