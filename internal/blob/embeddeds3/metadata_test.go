package embeddeds3

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/versity/versitygw/backend/meta"
)

func TestLargeAttributesAreLeftOut(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	beside, err := meta.NewSideCar(t.TempDir())
	require.NoError(t, err)
	store := compact{beside}
	require.NoError(t, store.StoreAttribute(nil, "b", "small", partsAttribute, make([]byte, maxPartsAttribute)))
	require.NoError(t, store.StoreAttribute(nil, "b", "large", partsAttribute, make([]byte, maxPartsAttribute+1)))
	require.NoError(t, store.StoreAttribute(nil, "b", "large", "etag", make([]byte, maxPartsAttribute+1)))
	_, err = store.RetrieveAttribute(nil, "b", "small", partsAttribute)
	require.NoError(t, err)
	_, err = store.RetrieveAttribute(nil, "b", "large", partsAttribute)
	require.ErrorIs(t, err, meta.ErrNoSuchKey)
	_, err = store.RetrieveAttribute(nil, "b", "large", "etag")
	require.NoError(t, err)
}

// A copy that fails leaves both files as they were, because versitygw copies again.
func TestFailedCopyLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "to"), []byte("before"), 0o600))
	to, err := os.Open(filepath.Join(dir, "to")) // It cannot be written.
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "from"), []byte("part"), 0o600))
	from, err := os.Open(filepath.Join(dir, "from"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, to.Close()); require.NoError(t, from.Close()) })
	require.Error(t, appendFile(from, to))
	at, err := from.Seek(0, 1)
	require.NoError(t, err)
	require.Zero(t, at)
	got, err := os.ReadFile(filepath.Join(dir, "to"))
	require.NoError(t, err)
	require.Equal(t, "before", string(got))
}
