package cluster_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"k8s-scalers/windtunnel/cluster"
)

var pods = schema.GroupResource{Resource: "pods"}

func newCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	scheme, err := cluster.NewScheme()
	require.NoError(t, err)
	return cluster.New(scheme)
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
}

func TestThoseOfOneMomentTakeTurnsByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		began := time.Now()
		var order []string
		var at []time.Duration
		names := rand.Perm(20)
		for _, i := range names {
			go func() {
				c.Turn(pods, pod(fmt.Sprintf("b%02d", i)))
				order, at = append(order, fmt.Sprintf("b%02d", i)), append(at, time.Since(began))
			}()
		}
		time.Sleep(time.Nanosecond)
		go func() {
			c.Turn(pods, pod("a"))
			order, at = append(order, "a"), append(at, time.Since(began))
		}()
		time.Sleep(time.Second)
		require.Len(t, order, 21)
		require.Equal(t, "a", order[20], "it came a moment later than the others")
		require.True(t, slices.IsSorted(order[:20]), "%v", order)
		require.Len(t, slices.Compact(at), 21, "nobody acts at the same moment as another")
	})
}

// TestAControllerBeginsWhenItsCachesAreFull: its context keeps it from looking until all that was written at this moment is in its caches.
func TestAControllerBeginsWhenItsCachesAreFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		ctx, cancel := context.WithCancel(t.Context())
		informer := c.SortedPods()
		queue := make(chan struct{}, 100)
		_, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) { queue <- struct{}{} }})
		require.NoError(t, err)
		c.Informers.Start(ctx.Done())
		c.Informers.WaitForCacheSync(ctx.Done())
		var seen []string
		go func() {
			<-queue
			c.InTurn(ctx, "controller").Value("logger")
			for _, o := range informer.Informer().GetIndexer().List() {
				seen = append(seen, o.(*corev1.Pod).Name)
			}
		}()
		for _, i := range rand.Perm(50) {
			_, err := c.Create(pods, pod(fmt.Sprintf("p%02d", i)))
			require.NoError(t, err)
		}
		time.Sleep(time.Second)
		require.Len(t, seen, 50)
		require.True(t, slices.IsSorted(seen), "%v", seen)
		cancel()
		c.Informers.Shutdown()
	})
}

// TestWritersGoOnWhenTheirCachesHaveTheirWrites is what controllers would get conflicts without.
func TestWritersGoOnWhenTheirCachesHaveTheirWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		ctx, cancel := context.WithCancel(t.Context())
		lister := c.Informers.Apps().V1().ReplicaSets().Lister()
		c.Informers.Start(ctx.Done())
		c.Informers.WaitForCacheSync(ctx.Done())
		_, err := c.Client.AppsV1().ReplicaSets("shop").Create(ctx, &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, metav1.CreateOptions{})
		require.NoError(t, err)
		for n := range int32(100) {
			cached, err := lister.ReplicaSets("shop").Get("web")
			require.NoError(t, err)
			next := cached.DeepCopy()
			next.Status.Replicas = n + 1
			_, err = c.Client.AppsV1().ReplicaSets("shop").UpdateStatus(ctx, next, metav1.UpdateOptions{})
			require.NoError(t, err)
		}
		cancel()
		c.Informers.Shutdown()
	})
}
