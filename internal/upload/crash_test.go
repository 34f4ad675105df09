package upload_test

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/upload"
)

// serve makes a request without a network.
func serve(h http.Handler, user, method, path string) answer {
	r := httptest.NewRequest(method, "/api/v1/uploads"+path, strings.NewReader(""))
	r.Header.Set("Authorization", "Bearer "+user)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.Bytes()}
}

// Between the completion by S3 and our record everything may end.
func TestKilledBeforeTheRecord(t *testing.T) {
	store := &forgetful{}
	f := newFixture(t, func(f *fixture) { store.Videos, f.videos = f.videos, store })
	size := int64(partSize + 7)
	u := f.create(t, "ada", "a.mp4", size)
	f.sendAll(t, "ada", u.ID, content(size), 1, 2)
	store.lose.Store(1)
	require.Equal(t, http.StatusInternalServerError, f.ask(t, "ada", http.MethodPost, "/"+u.ID+"/complete", nil).status)
	// A client that goes on with it must not send again what the bucket takes no more.
	open := f.ask(t, "ada", http.MethodGet, "/"+u.ID, nil).upload(t)
	require.Equal(t, "uploading", open.State)
	require.Len(t, open.Parts, 2)
	f.stop()
	f.start(t)
	require.Equal(t, "complete", f.ask(t, "ada", http.MethodPost, "/"+u.ID+"/complete", nil).upload(t).State)
	require.Empty(t, f.multiparts(t))
}

// The sweep does not remove a video whose client went away before the record was written; it writes it.
func TestSweepFinishesWhatS3Has(t *testing.T) {
	store := &forgetful{}
	f := newFixture(t, func(f *fixture) { store.Videos, f.videos = f.videos, store })
	u := f.create(t, "ada", "a.mp4", 7)
	f.sendAll(t, "ada", u.ID, content(7), 1)
	store.lose.Store(1)
	require.Equal(t, http.StatusInternalServerError, f.ask(t, "ada", http.MethodPost, "/"+u.ID+"/complete", nil).status)
	f.pass(72 * time.Hour)
	f.sweep(t)
	require.Equal(t, "complete", f.ask(t, "ada", http.MethodGet, "/"+u.ID, nil).upload(t).State)
}

// A record that cannot be written leaves nothing behind.
func TestKilledWhileCreating(t *testing.T) {
	store := &forgetful{}
	f := newFixture(t, func(f *fixture) { store.Videos, f.videos = f.videos, store })
	store.lose.Store(1)
	require.Equal(t, http.StatusInternalServerError, f.ask(t, "ada", http.MethodPost, "", map[string]any{"name": "a", "size": 1}).status)
	require.Empty(t, f.multiparts(t))
}

// A store that is killed after it has written, and before it says so, leaves an upload that can be gone on with.
func TestKilledBeforeTheAnswer(t *testing.T) {
	store := &mute{}
	f := newFixture(t, func(f *fixture) { store.Videos, f.videos = f.videos, store })
	store.times.Store(1)
	require.Equal(t, http.StatusServiceUnavailable, f.ask(t, "ada", http.MethodPost, "", map[string]any{"name": "a.mp4", "size": 10, "fingerprint": "x"}).status)
	var found struct{ Uploads []uploaded }
	require.NoError(t, json.Unmarshal(f.ask(t, "ada", http.MethodGet, "?state=uploading&fingerprint=x", nil).body, &found))
	require.Len(t, found.Uploads, 1)
	f.sendAll(t, "ada", found.Uploads[0].ID, content(10), 1)
	require.Equal(t, "complete", f.ask(t, "ada", http.MethodPost, "/"+found.Uploads[0].ID+"/complete", nil).upload(t).State)
}

func TestSweepRemovesStaleUploadsOnly(t *testing.T) {
	broken := &failing{}
	f := newFixture(t, func(f *fixture) {
		f.wrap = func(b upload.Bucket) upload.Bucket { broken.Bucket = b; return broken }
	})
	stuck := f.create(t, "ada", "stuck.mp4", 10)
	key := caption.VideoKey(stuck.ID)
	broken.key.Store(&key)
	stale := f.create(t, "ada", "stale.mp4", 10)
	f.sendAll(t, "ada", stale.ID, content(10), 1)
	done := f.complete(t, "ada", 10)
	alive := f.create(t, "ada", "alive.mp4", 10)

	f.pass(47 * time.Hour)
	f.sign(t, "ada", alive.ID, 1) // That is a sign of life.
	fresh := f.create(t, "bob", "fresh.mp4", 10)
	f.sweep(t)
	require.Equal(t, http.StatusOK, f.ask(t, "ada", http.MethodGet, "/"+stale.ID, nil).status)

	f.pass(2 * time.Hour)
	f.sweep(t)
	require.Equal(t, http.StatusNotFound, f.ask(t, "ada", http.MethodGet, "/"+stale.ID, nil).status)
	for user, id := range map[string]string{"ada": alive.ID, "bob": fresh.ID} {
		require.Equal(t, "uploading", f.ask(t, user, http.MethodGet, "/"+id, nil).upload(t).State)
	}
	require.Equal(t, "complete", f.ask(t, "ada", http.MethodGet, "/"+done.ID, nil).upload(t).State)
	// What could not be removed is left for the next time, and did not stop the others.
	require.Equal(t, http.StatusNotFound, f.ask(t, "ada", http.MethodGet, "/"+stuck.ID, nil).status)
	require.Contains(t, f.multiparts(t), key)
	require.NotContains(t, f.multiparts(t), caption.VideoKey(stale.ID))

	broken.key.Store(nil)
	f.sweep(t)
	require.NotContains(t, f.multiparts(t), key)
}

func TestSweepAbortsOrphans(t *testing.T) {
	f := newFixture(t)
	known := f.create(t, "ada", "a.mp4", 10)
	orphan := func(key string) string {
		_, err := f.bucket.CreateMultipart(t.Context(), key, "")
		require.NoError(t, err)
		return key
	}
	gone := orphan(caption.VideoKey(caption.NewID()))
	foreign := orphan(caption.VideoPrefix + "of somebody else")
	second := orphan(caption.VideoKey(known.ID)) // another one of a key that is known
	f.sweep(t)
	require.Len(t, f.multiparts(t), 4) // They are too young to be judged.
	require.Contains(t, f.multiparts(t), second)

	f.backdate(t)
	f.sweep(t)
	require.ElementsMatch(t, []string{caption.VideoKey(known.ID), foreign}, f.multiparts(t))
	require.NotContains(t, f.multiparts(t), gone)
	f.sendAll(t, "ada", known.ID, content(10), 1)
	require.Equal(t, "complete", f.ask(t, "ada", http.MethodPost, "/"+known.ID+"/complete", nil).upload(t).State)
}

// An upload that the bucket has lost says so.
func TestLostUpload(t *testing.T) {
	f := newFixture(t)
	u := f.create(t, "ada", "a.mp4", 10)
	v, err := f.videos.Video(t.Context(), u.ID)
	require.NoError(t, err)
	require.NoError(t, f.bucket.AbortMultipart(t.Context(), v.Key, v.MultipartID))
	require.Len(t, f.ask(t, "ada", http.MethodGet, "/"+u.ID, nil).upload(t).Parts, 1, "there is nothing to send, so that completing it is next")
	a := f.ask(t, "ada", http.MethodPost, "/"+u.ID+"/complete", nil)
	require.Equal(t, http.StatusConflict, a.status)
	require.Equal(t, "upload_lost", a.problem(t).Code)
	require.Equal(t, http.StatusNoContent, f.ask(t, "ada", http.MethodDelete, "/"+u.ID, nil).status)
}

// noVideos has no videos, and counts how often it is asked for stale ones.
type noVideos struct {
	caption.Videos

	asked int
}

func (v *noVideos) ListVideos(context.Context, caption.VideoQuery) ([]caption.Video, error) {
	v.asked++
	return nil, errBroken // That ends neither the sweep nor Run.
}

// noMultiparts is a bucket without uploads.
type noMultiparts struct {
	upload.Bucket

	asked int
}

func (b *noMultiparts) ListMultiparts(context.Context, string) iter.Seq2[caption.Multipart, error] {
	b.asked++
	return func(func(caption.Multipart, error) bool) {}
}

func TestRunSweepsUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		videos, bucket := &noVideos{}, &noMultiparts{}
		s := upload.New(upload.Deps{Videos: videos, Bucket: bucket, Verifier: names{}})
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Minute)
		defer cancel()
		require.NoError(t, s.Run(ctx))
		require.Equal(t, 4, videos.asked)
		require.Equal(t, 4, bucket.asked)
	})
}
