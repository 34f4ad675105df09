package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
)

// TestChangesAreHeardOfInTheOrderInWhichTheyWereMade although pods and nodes come by different ways.
func TestChangesAreHeardOfInTheOrderInWhichTheyWereMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scheme, err := NewScheme()
		require.NoError(t, err)
		c := New(scheme)
		c.Disturb(func() {
			for range rand.IntN(5) {
				runtime.Gosched()
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		h := &hearing{SharedInformerFactory: c.Informers}
		var heard []string
		say := func(did string, object any) { heard = append(heard, did+" "+object.(Object).GetName()) }
		handler := cache.ResourceEventHandlerFuncs{
			AddFunc: func(o any) { say("added", o) }, UpdateFunc: func(_, o any) { say("changed", o) }, DeleteFunc: func(o any) { say("deleted", o) },
		}
		for _, informer := range []cache.SharedIndexInformer{h.Core().V1().Pods().Informer(), h.Core().V1().Nodes().Informer()} {
			_, err := informer.AddEventHandler(handler)
			require.NoError(t, err)
		}
		c.Informers.Start(ctx.Done())
		c.Informers.WaitForCacheSync(ctx.Done())
		synctest.Wait() // A node that comes and goes between the list and the watch is never heard of.
		nodes := schema.GroupResource{Resource: "nodes"}
		var made []string
		for i := range 30 {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("pod-%02d", i)}}
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%02d", i)}}
			_, err := c.Create(podResource, pod)
			require.NoError(t, err)
			_, err = c.Create(nodes, node)
			require.NoError(t, err)
			require.NoError(t, c.Change(podResource, "shop", pod.Name, func(o Object) { o.SetLabels(map[string]string{"a": "b"}) }))
			require.NoError(t, c.Delete(nodes, "", node.Name, metav1.DeleteOptions{}))
			made = append(made, "added "+pod.Name, "added "+node.Name, "changed "+pod.Name, "deleted "+node.Name)
		}
		synctest.Wait()
		require.Empty(t, heard, "nothing is heard of before it is listened to")
		h.listen()
		require.Equal(t, made, heard)
		cancel()
		c.Informers.Shutdown()
	})
}
