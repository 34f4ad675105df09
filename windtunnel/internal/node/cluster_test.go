//go:build cluster

package node_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s-scalers/windtunnel/internal/awaittest"
	"k8s-scalers/windtunnel/internal/controlplane"
	"k8s-scalers/windtunnel/internal/node"
)

// patience is how long anything may take: an end to waiting, not a measure of speed.
const (
	patience = 5 * time.Minute
	pause    = 200 * time.Millisecond
)

// program is the one that make cluster runs.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	fail := func(err error) int { fmt.Fprintln(os.Stderr, "cluster:", err); return 1 }
	dir, err := os.MkdirTemp("", "cluster-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()     // It lies in the folder of temporary files.
	if err := os.Chmod(dir, 0o755); err != nil { // For somebody who is not root.
		return fail(err)
	}
	program = filepath.Join(dir, "cluster")
	if out, err := exec.Command("go", "build", "-o", program, "k8s-scalers/windtunnel/cmd/cluster").CombinedOutput(); err != nil {
		return fail(fmt.Errorf("build the program: %w\n%s", err, out))
	}
	return m.Run()
}

// running is a cluster that somebody keeps in a terminal.
type running struct {
	cmd        *exec.Cmd
	kubeconfig string
	ended      chan error
}

// start runs the program and waits until it says that the cluster is ready.
func start(t *testing.T) *running {
	t.Helper()
	images := os.Getenv("CLUSTER_IMAGES")
	require.NotEmpty(t, images, "CLUSTER_IMAGES names no folder of images; make test-cluster does")
	r := &running{cmd: exec.CommandContext(t.Context(), program, "--images", images), ended: make(chan error, 1)}
	r.cmd.Stderr = t.Output()
	out, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() { _ = r.cmd.Process.Kill() }) // It has ended, unless the test has failed.
	lines := bufio.NewScanner(out)
	for r.kubeconfig == "" && lines.Scan() {
		_, r.kubeconfig, _ = strings.Cut(lines.Text(), "export KUBECONFIG=")
	}
	require.NotEmpty(t, r.kubeconfig, "the cluster has ended before it was ready")
	go func() {
		for lines.Scan() { // Whatever else it says.
		}
		r.ended <- r.cmd.Wait()
	}()
	return r
}

// TestCluster uses a cluster, kills its program, and ends another one by Ctrl-C. Nothing is left of either.
func TestCluster(t *testing.T) {
	require.Empty(t, left(t), "before the cluster starts")
	killed := start(t)
	clients, err := controlplane.NewClients(killed.kubeconfig)
	require.NoError(t, err)
	nodeIsReady(t, clients)
	podRuns(t, clients)
	require.Regexp(t, `(?s)^captions +\d+m +\d+% +\d+Mi +\d+%`, eventualOutput(t, killed, "top", "node", "--no-headers"))
	require.Regexp(t, `(?m)^kube-system +coredns-\S+ +\d+m +\d+Mi`, eventualOutput(t, killed, "top", "pod", "--all-namespaces", "--no-headers"))
	require.Contains(t, eventualOutput(t, killed, "--namespace=kube-system", "logs", "deployment/coredns"), "CoreDNS-")

	require.NoError(t, killed.cmd.Process.Kill())
	require.Error(t, <-killed.ended)
	nothingIsLeft(t)

	ended := start(t)
	require.NoError(t, ended.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, <-ended.ended)
	require.Empty(t, left(t), "the program has ended in good order")
}

func nodeIsReady(t *testing.T, clients *controlplane.Clients) {
	t.Helper()
	nodes, err := clients.Kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, nodes.Items, 1)
	for _, c := range nodes.Items[0].Status.Conditions {
		if c.Type == corev1.NodeReady {
			require.Equal(t, corev1.ConditionTrue, c.Status, c.Message)
			return
		}
	}
	require.Fail(t, "the node says nothing of itself")
}

// podRuns runs one, as a user would.
func podRuns(t *testing.T, clients *controlplane.Clients) {
	t.Helper()
	pods := clients.Kube.CoreV1().Pods(metav1.NamespaceDefault)
	_, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "sleeper"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "sleeper", Image: "docker.io/captions-node/pause:dev"}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	awaittest.Holds(t, patience, pause, func(ctx context.Context, t require.TestingT) {
		pod, err := pods.Get(ctx, "sleeper", metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, corev1.PodRunning, pod.Status.Phase, pod.Status.Message)
		require.NotEmpty(t, pod.Status.PodIP)
	})
}

// eventualOutput is what kubectl says as soon as it succeeds: there are no figures before the first were measured.
func eventualOutput(t *testing.T, r *running, args ...string) string {
	t.Helper()
	var stdout bytes.Buffer
	awaittest.Holds(t, patience, time.Second, func(ctx context.Context, t require.TestingT) {
		cmd := exec.CommandContext(ctx, "go", append([]string{"tool", "kubectl"}, args...)...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig)
		stdout.Reset()
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Run(), stderr.String())
	})
	return stdout.String()
}

// nothingIsLeft waits for the kernel and the first process to clear up behind a program that was killed.
func nothingIsLeft(t *testing.T) {
	t.Helper()
	awaittest.Holds(t, time.Minute, pause, func(_ context.Context, tt require.TestingT) { require.Empty(tt, left(t), "the program was killed") })
}

// left lists what there is of a cluster: processes, mounts, folders, cgroups, interfaces.
func left(t *testing.T) []string {
	t.Helper()
	home, err := node.Home()
	require.NoError(t, err)
	dir := filepath.Join(home, "cluster")
	var found []string
	if _, err := os.Lstat(dir); err == nil {
		found = append(found, "folder "+dir)
	}
	if _, err := net.InterfaceByName("captions0"); err == nil {
		found = append(found, "interface captions0")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, dir+"/") {
			found = append(found, "mount "+line)
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup/captions-cluster", "/sys/fs/cgroup/*/captions-cluster"} {
		cgroups, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range cgroups {
			found = append(found, "cgroup "+path)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, p := range processes {
		line, _ := os.ReadFile(filepath.Join(p, "cmdline"))  // One that ends meanwhile
		groups, _ := os.ReadFile(filepath.Join(p, "cgroup")) // has neither.
		if bytes.Contains(line, []byte(dir+"/")) || bytes.Contains(groups, []byte("captions-cluster")) {
			found = append(found, "process "+string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
		}
	}
	return found
}

// TestWhatIsMissingIsTold runs the program where it cannot do its work.
func TestWhatIsMissingIsTold(t *testing.T) {
	refusal := func(cmd *exec.Cmd) string {
		out, err := cmd.CombinedOutput()
		require.Error(t, err, "%s", out)
		require.Equal(t, 1, bytes.Count(out, []byte("\n")), "one sentence: %s", out)
		return string(out)
	}
	stranger := exec.CommandContext(t.Context(), program, "--check")
	const nobody = 65534
	stranger.Dir, stranger.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	require.Contains(t, refusal(stranger), "a node needs root")

	// Root in a namespace of users, whose limits it may set itself.
	confined := exec.CommandContext(t.Context(), "sh", "-c", `echo 0 >/proc/sys/user/max_net_namespaces && exec "$0" --check`, program)
	confined.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}},
	}
	require.Contains(t, refusal(confined), "does not let root make namespaces")
}
