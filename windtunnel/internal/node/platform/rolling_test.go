//go:build cluster

package platform_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestRollingUpdate gives every service new pods while requests and videos come in. Each request must get its answer, if need be when
// the user tries again as the API asks for, and each video its captions, whose progress its user follows by events all the time.
func TestRollingUpdate(t *testing.T) {
	c := connect(t)
	services := []string{"auth-service", "upload-service", "caption-service", "frontend", "gateway-service", worker}
	for _, name := range services {
		if name != worker {
			c.scale(t, name, 2)
			t.Cleanup(func() { c.scaleAfter(t, name, 1) })
		}
	}
	v := c.visit(t, 10, "/", "/api/v1/auth/me", "/api/v1/uploads", "/api/v1/captions")
	l := c.startLoad(t, "--jobs-per-minute", "6", "--length", "5s", "--duration", "90s", "--drain", "15m")
	for _, name := range services {
		old := map[types.UID]bool{}
		for _, pod := range c.pods(t.Context(), t, name) {
			old[pod.UID] = true
		}
		// As kubectl rollout restart does.
		patch := fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().Format(time.RFC3339))
		_, err := c.Kube.AppsV1().Deployments(namespace).Patch(t.Context(), name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		require.NoError(t, err)
		eventually(t, func(ctx context.Context, t require.TestingT) {
			wanted, ready := c.replicas(ctx, t, namespace, name)
			pods := c.pods(ctx, t, name)
			require.Len(t, pods, wanted, name)
			require.Equal(t, wanted, ready, name)
			for _, pod := range pods {
				require.False(t, old[pod.UID], "%s is an old one", pod.Name)
			}
		})
		t.Logf("%s is new; answers so far: %v", name, v.answers())
	}
	v.stop(t)
	r := l.wait(t)
	require.Positive(t, r.Jobs.Started)
	require.Equal(t, r.Jobs.Started, r.Jobs.Processed, "jobs are lost: %+v", r.Jobs)
}

// attempts is how often a user asks until an answer counts as failed.
const attempts = 4

// visits are requests of one user, one path after the other.
type visits struct {
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	seen   map[string]int // answers by what they were, also those after which the user tries again
	failed map[string]int // requests that had no good one, by the last
}

// visit begins to make requests, so many a second.
func (c cluster) visit(t *testing.T, rate int, paths ...string) *visits {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	v := &visits{cancel: cancel, seen: map[string]int{}, failed: map[string]int{}}
	v.running.Go(func() {
		next := time.NewTicker(time.Second / time.Duration(rate))
		defer next.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-next.C:
			}
			path := paths[i%len(paths)]
			v.running.Go(func() { v.insist(context.WithoutCancel(ctx), c.url+path, c.token) })
		}
	})
	return v
}

// insist asks until there is an answer.
func (v *visits) insist(ctx context.Context, url, token string) {
	var last string
	for range attempts {
		var good bool
		var wait time.Duration
		last, good, wait = ask(ctx, url, token)
		v.note(v.seen, last)
		if good {
			return
		}
		time.Sleep(wait)
	}
	v.note(v.failed, url+": "+last)
}

// ask makes one request, and tells what the answer was, whether it is the one that was asked for, and if not, when to ask again.
func ask(ctx context.Context, url, token string) (what string, good bool, wait time.Duration) {
	wait = time.Second
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error(), false, wait
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error(), false, wait
	}
	defer func() { _ = answer.Body.Close() }() // It has been read.
	if answer.StatusCode == http.StatusOK {
		return "200", true, 0
	}
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.NewDecoder(answer.Body).Decode(&problem) // What is no problem has no code.
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
		wait = time.Duration(seconds) * time.Second
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, problem.Code), false, wait
}

func (v *visits) note(in map[string]int, what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	in[what]++
}

func (v *visits) answers() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.seen)
}

// stop ends the requests, says what the answers were, those included that were asked for again, and fails unless each request got a good one.
func (v *visits) stop(t *testing.T) {
	t.Helper()
	v.cancel()
	v.running.Wait()
	t.Logf("answers: %v", v.seen)
	require.Positive(t, v.seen["200"])
	require.Empty(t, v.failed, "of these answers: %v", v.seen)
}
