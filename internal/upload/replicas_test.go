package upload_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/upload"
)

// TestReplicas lets two replicas change one upload, the second one right between the first one's look at the record and its write.
func TestReplicas(t *testing.T) {
	store := &overtaken{}
	f := newFixture(t, func(f *fixture) { store.Videos, f.videos = f.videos, store })
	other := upload.New(upload.Deps{Videos: store.Videos, Bucket: f.bucket, Verifier: names{}, PartSize: partSize, Now: f.clock}).Handler()
	begin := func(t *testing.T) (id string) {
		u := f.create(t, "ada", "a.mp4", 7)
		f.sendAll(t, "ada", u.ID, content(7), 1)
		return u.ID
	}
	meanwhile := func(t *testing.T, method, path string, want int) {
		by := func() {
			a := serve(other, "ada", method, path)
			require.Equal(t, want, a.status, "%s", a.body)
		}
		store.by.Store(&by)
	}
	state := func(t *testing.T, id string) string {
		return f.ask(t, "ada", http.MethodGet, "/"+id, nil).upload(t).State
	}
	requireGone := func(t *testing.T, id string) {
		require.Nil(t, store.by.Load(), "it was overtaken")
		require.Equal(t, http.StatusNotFound, f.ask(t, "ada", http.MethodGet, "/"+id, nil).status)
		_, err := f.bucket.Head(t.Context(), caption.VideoKey(id))
		require.Equal(t, caption.KindNotFound, caption.KindOf(err), "%v", err)
		require.NotContains(t, f.multiparts(t), caption.VideoKey(id))
	}

	t.Run("a sign of life does not undo a completion", func(t *testing.T) {
		id := begin(t)
		f.pass(time.Hour)
		meanwhile(t, http.MethodPost, "/"+id+"/complete", http.StatusOK)
		a := f.ask(t, "ada", http.MethodPost, "/"+id+"/parts", map[string]any{"numbers": []int{1}})
		require.Equal(t, "upload_complete", a.problem(t).Code)
		require.Equal(t, "complete", state(t, id))
	})
	t.Run("two completions are one", func(t *testing.T) {
		id := begin(t)
		meanwhile(t, http.MethodPost, "/"+id+"/complete", http.StatusOK)
		require.Equal(t, "complete", f.ask(t, "ada", http.MethodPost, "/"+id+"/complete", nil).upload(t).State)
	})
	t.Run("a completion does not bring back what was deleted", func(t *testing.T) {
		id := begin(t)
		meanwhile(t, http.MethodDelete, "/"+id, http.StatusNoContent)
		require.Equal(t, http.StatusNotFound, f.ask(t, "ada", http.MethodPost, "/"+id+"/complete", nil).status)
		requireGone(t, id)
	})
	t.Run("a deletion deletes what is completed meanwhile", func(t *testing.T) {
		u := f.create(t, "ada", "a.mp4", 7) // Its parts arrive too late for the first look.
		id := u.ID
		v, err := store.Video(t.Context(), id)
		require.NoError(t, err)
		by := func() { // S3 had completed it before it was aborted.
			require.NoError(t, f.bucket.Put(t.Context(), v.Key, bytes.NewReader(content(7)), 7, ""))
			require.Equal(t, http.StatusOK, serve(other, "ada", http.MethodPost, "/"+id+"/complete").status)
		}
		store.by.Store(&by)
		require.Equal(t, http.StatusNoContent, f.ask(t, "ada", http.MethodDelete, "/"+id, nil).status)
		requireGone(t, id)
	})
	t.Run("the sweep leaves an upload whose client has come back", func(t *testing.T) {
		id := begin(t)
		f.pass(72 * time.Hour)
		by := func() {
			a := f.ask(t, "ada", http.MethodPost, "/"+id+"/parts", map[string]any{"numbers": []int{1}})
			require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		}
		store.by.Store(&by)
		f.sweep(t)
		require.Nil(t, store.by.Load(), "it was overtaken")
		require.Equal(t, "uploading", state(t, id))
		require.Equal(t, "complete", f.ask(t, "ada", http.MethodPost, "/"+id+"/complete", nil).upload(t).State)
	})
}
