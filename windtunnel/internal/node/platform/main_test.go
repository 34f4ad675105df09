//go:build cluster

package platform_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"

	"k8s-scalers/windtunnel/internal/awaittest"
	"k8s-scalers/windtunnel/internal/controlplane"
	"k8s-scalers/windtunnel/internal/programs"
)

// namespace is where the platform is.
const namespace = "captions"

// patience is how long anything may take: an end to waiting, not a measure of speed.
const patience = 10 * time.Minute

// pause is between two looks.
const pause = 500 * time.Millisecond

// captions is the program that makes load.
var captions string

// drawn is what was seen, for the picture.
var drawn = &timeline{began: time.Now()}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	fail := func(err error) int { fmt.Fprintln(os.Stderr, "platform:", err); return 1 }
	dir, err := os.MkdirTemp("", "platform-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // It lies in the folder of temporary files.
	captions = filepath.Join(dir, "captions")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", captions, "./cmd/captions")
	build.Dir = filepath.Join("..", "..", "..", "..") // The module of the platform, which is not the wind tunnel's.
	if out, err := build.CombinedOutput(); err != nil {
		return fail(fmt.Errorf("build captions: %w\n%s", err, out))
	}
	code := m.Run()
	drawn.print(os.Stdout)
	if name := os.Getenv("TIMELINE"); name != "" {
		if err := drawn.write(name); err != nil {
			return fail(err)
		}
	}
	return code
}

// cluster is the one at hand.
type cluster struct {
	*controlplane.Clients
	url string // of the gateway, from outside
	// Of the test's user: it makes the load, and its requests are those that the timeline measures.
	account account
	token   string
}

func connect(t *testing.T) cluster {
	t.Helper()
	kubeconfig := os.Getenv("KUBECONFIG")
	require.NotEmpty(t, kubeconfig, "KUBECONFIG names no cluster; make test-cluster makes one")
	clients, err := controlplane.NewClients(kubeconfig)
	require.NoError(t, err)
	service, err := clients.Kube.CoreV1().Services(namespace).Get(t.Context(), "gateway-nodeport", metav1.GetOptions{})
	require.NoError(t, err)
	nodes, err := clients.Kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, address := range nodes.Items[0].Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			c := cluster{Clients: clients, url: fmt.Sprintf("http://%s:%d", address.Address, service.Spec.Ports[0].NodePort)}
			c.account = account{"platform-" + strings.ToLower(rand.Text()) + "@example.org", rand.Text()}
			c.token = c.account.signIn(t, c.url, "signup")
			t.Cleanup(func() {
				if t.Failed() {
					c.complaints(t)
				}
			})
			return c
		}
	}
	require.Fail(t, "the node has no address")
	return cluster{}
}

// complaint is how the platform's programs and the servers mark what went wrong.
var complaint = regexp.MustCompile(`\b(WARN|WARNING|ERROR|FATAL|PANIC)\b`)

// complaints prints the last that each pod has said of what went wrong: nothing of it is left when the cluster ends.
func (c cluster) complaints(t *testing.T) {
	t.Helper()
	ctx, cancel := afterwards(t)
	defer cancel()
	pods, err := c.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	for _, pod := range pods.Items {
		text, err := c.Kube.CoreV1().Pods(namespace).GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: new(int64(10_000))}).DoRaw(ctx)
		if err != nil {
			t.Logf("%s: %v", pod.Name, err)
			continue
		}
		lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool {
			return !complaint.MatchString(line)
		})
		for _, line := range lines[max(0, len(lines)-5):] {
			t.Logf("%s: %s", pod.Name, line)
		}
	}
}

// account is a user's.
type account struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// signIn signs in, or up, and returns an access token.
func (a account) signIn(t *testing.T, url, how string) string {
	t.Helper()
	body, err := json.Marshal(a)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v1/auth/"+how, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	var session struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, errors.Join(json.NewDecoder(answer.Body).Decode(&session), answer.Body.Close()))
	require.NotEmpty(t, session.AccessToken, "signing in: status %d", answer.StatusCode)
	return session.AccessToken
}

// replicas is what a Deployment has been told to run, and how many are ready.
func (c cluster) replicas(ctx context.Context, t require.TestingT, namespace, name string) (wanted, ready int) {
	d, err := c.Kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	require.NoError(t, err)
	return int(*d.Spec.Replicas), int(d.Status.ReadyReplicas)
}

// scale tells a Deployment how many pods to run, and returns them when they are ready. The status of the Deployment would not do: where the
// scenario before has just made them fewer, it still counts those that go.
func (c cluster) scale(t *testing.T, name string, replicas int) []corev1.Pod {
	t.Helper()
	c.setReplicas(t.Context(), t, name, replicas)
	var pods []corev1.Pod
	eventually(t, func(ctx context.Context, t require.TestingT) {
		pods = c.pods(ctx, t, name)
		ready := slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool {
			return !podutil.IsPodReady(&pod)
		})
		require.Equal(t, [2]int{replicas, replicas}, [2]int{len(pods), len(ready)}, "%s: the pods, and those of them that are ready", name)
	})
	return pods
}

// scaleAfter leaves a Deployment with pods when a test is over.
func (c cluster) scaleAfter(t *testing.T, name string, replicas int) {
	t.Helper()
	ctx, cancel := afterwards(t)
	defer cancel()
	c.setReplicas(ctx, t, name, replicas)
}

func (c cluster) setReplicas(ctx context.Context, t *testing.T, name string, replicas int) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := c.Kube.AppsV1().Deployments(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
}

// awaitReplicas waits until the numbers of a Deployment are as they must become.
func (c cluster) awaitReplicas(t *testing.T, name, why string, are func(wanted, ready int) bool) {
	t.Helper()
	eventually(t, func(ctx context.Context, t require.TestingT) {
		wanted, ready := c.replicas(ctx, t, namespace, name)
		require.True(t, are(wanted, ready), "%s: %d wanted, %d ready: %s", name, wanted, ready, why)
	})
}

// pods are those of a service that are not going.
func (c cluster) pods(ctx context.Context, t require.TestingT, name string) []corev1.Pod {
	list, err := c.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
	require.NoError(t, err)
	var pods []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			pods = append(pods, pod)
		}
	}
	return pods
}

// afterwards is the context of what a test does when it is over.
func afterwards(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
}

// manifests builds a folder below deploy/.
func manifests(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	root, err := programs.Root(t.Context())
	require.NoError(t, err)
	objects, err := controlplane.Kustomize(filepath.Join(root, "..", "deploy", folder))
	require.NoError(t, err)
	return objects
}

// apply applies objects for as long as the test lasts.
func (c cluster) apply(t *testing.T, objects ...*unstructured.Unstructured) {
	t.Helper()
	require.NoError(t, c.Apply(t.Context(), objects...))
	t.Cleanup(func() {
		ctx, cancel := afterwards(t)
		defer cancel()
		for _, o := range objects {
			client, err := c.Resource(o)
			require.NoError(t, err)
			require.NoError(t, client.Delete(ctx, o.GetName(), metav1.DeleteOptions{}), "the next scenario begins without %s", controlplane.Describe(o))
		}
	})
}

// only is the one object of a kind.
func only(t *testing.T, objects []*unstructured.Unstructured, kind string) *unstructured.Unstructured {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == kind {
			return o
		}
	}
	require.Fail(t, "there is no "+kind)
	return nil
}

// eventually looks until a condition holds.
func eventually(t *testing.T, condition func(context.Context, require.TestingT)) {
	t.Helper()
	awaittest.Holds(t, patience, pause, condition)
}
