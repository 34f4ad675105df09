package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// TestPodsAreListedByNameAsTheyAreNow also after one has gone, come or changed, none of which may be hidden by what was sorted before.
func TestPodsAreListedByNameAsTheyAreNow(t *testing.T) {
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	indexer := &sortedIndexer{Indexer: store, last: map[[2]string]ordered{}}
	pod := func(namespace, name, version string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, ResourceVersion: version}}
	}
	namesOf := func(objects []any) (names []string) {
		for _, o := range objects {
			p := o.(*corev1.Pod)
			names = append(names, p.Namespace+"/"+p.Name+"@"+p.ResourceVersion)
		}
		return names
	}
	requireShop := func(want ...string) {
		t.Helper()
		for range 2 {
			found, err := indexer.Index(cache.NamespaceIndex, &metav1.ObjectMeta{Namespace: "shop"})
			require.NoError(t, err)
			require.Equal(t, want, namesOf(found))
			found, err = indexer.ByIndex(cache.NamespaceIndex, "shop")
			require.NoError(t, err)
			require.Equal(t, want, namesOf(found))
		}
	}
	for _, name := range []string{"d", "b", "e", "a", "c"} {
		require.NoError(t, store.Add(pod("shop", name, "1")))
		require.NoError(t, store.Add(pod("depot", name, "1")))
	}
	requireShop("shop/a@1", "shop/b@1", "shop/c@1", "shop/d@1", "shop/e@1")
	require.Equal(t, "depot/a@1", namesOf(indexer.List())[0])
	require.NoError(t, store.Update(pod("shop", "b", "2")))
	requireShop("shop/a@1", "shop/b@2", "shop/c@1", "shop/d@1", "shop/e@1")
	require.NoError(t, store.Delete(pod("shop", "a", "1")))
	requireShop("shop/b@2", "shop/c@1", "shop/d@1", "shop/e@1")
	require.NoError(t, store.Add(pod("shop", "aa", "3")))
	requireShop("shop/aa@3", "shop/b@2", "shop/c@1", "shop/d@1", "shop/e@1")
	require.Len(t, indexer.List(), 10)
	_, err := indexer.Index("no such", pod("shop", "b", "2"))
	require.Error(t, err)
}
