//go:build cluster

package platform_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const worker = "caption-worker"

// TestKEDA has workers come from none for a hundred videos, and go to none when all are done. Meanwhile pods are killed, so that
// tasks are interrupted, and the node's containerd is restarted; nothing may be lost or done twice for it.
func TestKEDA(t *testing.T) {
	const most, videos = 4, 100
	c := connect(t)
	objects := manifests(t, "KEDA/caption-worker")
	scaled := only(t, objects, "ScaledObject")
	for field, value := range map[string]int64{
		"pollingInterval": 1, "cooldownPeriod": 10,
		"maxReplicaCount": most, // What two cores can bear.
	} {
		require.NoError(t, unstructured.SetNestedField(scaled.Object, value, "spec", field))
	}
	shorten(t, scaled.Object)
	c.apply(t, objects...)
	// A worker that is left when the ScaledObject goes is what the other scenarios want.
	t.Cleanup(func() { c.scaleAfter(t, worker, 1) })
	c.awaitReplicas(t, worker, "there is nothing to do", func(wanted, ready int) bool { return wanted == 0 && ready == 0 })

	stop := drawn.watch(t, c, "KEDA: caption-worker on the queue", worker)
	defer stop()
	// The user of this test, so that it can ask for the jobs afterwards.
	l := c.startLoad(t, "--keep", "--jobs-per-minute", "60", "--duration", "100s", "--length", "5s", "--drain", "15m")
	c.awaitReplicas(t, worker, "videos wait", func(wanted, ready int) bool { return wanted == most && ready > 1 })
	killing, cancel := context.WithCancel(t.Context())
	defer cancel()
	killed := make(chan int, 1)
	go func() { killed <- c.kill(killing, worker) }()
	c.restartContainerd(t)
	r := l.wait(t)
	require.Equal(t, videos, r.Jobs.Started)
	require.Equal(t, videos, r.Jobs.Processed, "jobs are lost: %+v", r.Jobs)
	c.awaitReplicas(t, worker, "all is done", func(wanted, ready int) bool { return wanted == 0 && ready == 0 })
	cancel()
	require.Positive(t, <-killed, "pods were killed meanwhile")

	uploads := map[string]bool{}
	for _, j := range c.jobs(t) {
		require.Equal(t, "processed", j.State, j.ID)
		require.False(t, uploads[j.UploadID], "two jobs of upload %s", j.UploadID)
		uploads[j.UploadID] = true
	}
	require.Len(t, uploads, videos, "jobs of the server")
}

// job is what a scenario looks at of one.
type job struct {
	ID       string `json:"id"`
	UploadID string `json:"upload_id"`
	State    string `json:"state"`
}

// jobs are all of the test's user.
func (c cluster) jobs(t *testing.T) []job {
	t.Helper()
	// The token of the beginning may have expired.
	token := c.account.signIn(t, c.url, "login")
	var all []job
	for cursor := ""; ; {
		query := url.Values{"limit": {"100"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+"/api/v1/captions?"+query.Encode(), nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		var page struct {
			Captions []job   `json:"captions"`
			Next     *string `json:"next_cursor"`
		}
		require.NoError(t, errors.Join(json.NewDecoder(answer.Body).Decode(&page), answer.Body.Close()))
		require.Equal(t, http.StatusOK, answer.StatusCode)
		all = append(all, page.Captions...)
		if page.Next == nil {
			return all
		}
		cursor = *page.Next
	}
}

// kill kills a pod of a service without warning every 20 seconds, as when a node is lost, and returns how many.
func (c cluster) kill(ctx context.Context, name string) (killed int) {
	for {
		select {
		case <-ctx.Done():
			return killed
		case <-time.After(20 * time.Second):
		}
		list, err := c.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
		if err != nil || len(list.Items) == 0 {
			continue // There is another time.
		}
		victim := list.Items[rand.IntN(len(list.Items))].Name
		if c.Kube.CoreV1().Pods(namespace).Delete(ctx, victim, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}) == nil {
			killed++
		}
	}
}

// restartContainerd ends the containerd of package node's cluster, which then starts it again. Other clusters keep theirs.
func (c cluster) restartContainerd(t *testing.T) {
	t.Helper()
	// KUBECONFIG lies in the folder of the control plane, below that of the cluster.
	flag := "--config=" + filepath.Join(filepath.Dir(filepath.Dir(os.Getenv("KUBECONFIG"))), "containerd.toml")
	old := processOf(t, flag)
	if old == 0 {
		t.Log("containerd is not restarted: this is not a cluster of package node")
		return
	}
	require.NoError(t, syscall.Kill(old, syscall.SIGTERM))
	eventually(t, func(_ context.Context, t require.TestingT) {
		pid := processOf(t, flag)
		require.NotZero(t, pid, "containerd is not back")
		require.NotEqual(t, old, pid, "containerd has not ended")
	})
}

// processOf is the id of the process that was given an argument, 0 when there is none.
func processOf(t require.TestingT, argument string) int {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, name := range lines {
		text, err := os.ReadFile(name)
		if err != nil || !bytes.HasSuffix(text, []byte("\x00"+argument+"\x00")) {
			continue // Also those that have ended meanwhile.
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		require.NoError(t, err)
		return pid
	}
	return 0
}
