package upload_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/upload"
)

func TestWholeLife(t *testing.T) {
	f := newFixture(t)
	all := content(2*partSize + 1234)
	a := f.ask(t, "ada", http.MethodPost, "", map[string]any{"name": `C:\films\lecture.mp4`, "size": len(all), "fingerprint": "mark"})
	require.Equal(t, http.StatusCreated, a.status)
	u := a.upload(t)
	require.Equal(t, "/api/v1/uploads/"+u.ID, a.header.Get("Location"))
	require.Equal(t, "lecture.mp4", u.Name)
	require.Equal(t, "uploading", u.State)
	require.EqualValues(t, partSize, u.PartSize)
	require.Equal(t, 3, u.PartCount)
	require.NotNil(t, u.Parts)
	require.Empty(t, u.Parts)

	f.sendAll(t, "ada", u.ID, all, 3, 1)
	incomplete := f.ask(t, "ada", http.MethodPost, "/"+u.ID+"/complete", struct{}{})
	require.Equal(t, http.StatusConflict, incomplete.status)
	require.Equal(t, "parts_missing", incomplete.problem(t).Code)
	require.Contains(t, incomplete.problem(t).Detail, "1 of 3 parts are missing or have the wrong size: 2.")

	// The client comes back after a restart of everything, and finds by its mark what is there already.
	f.stop()
	f.start(t)
	var list struct{ Uploads []uploaded }
	require.NoError(t, json.Unmarshal(f.ask(t, "ada", http.MethodGet, "?state=uploading&fingerprint=mark", nil).body, &list))
	require.Len(t, list.Uploads, 1)
	require.Equal(t, u.ID, list.Uploads[0].ID)
	require.Nil(t, list.Uploads[0].Parts)
	resumed := f.ask(t, "ada", http.MethodGet, "/"+u.ID, nil).upload(t)
	require.Len(t, resumed.Parts, 2)
	require.Equal(t, 1, resumed.Parts[0].Number)
	require.Equal(t, 3, resumed.Parts[1].Number)
	require.EqualValues(t, 1234, resumed.Parts[1].Size)
	f.sendAll(t, "ada", u.ID, all, 2)

	for range 2 { // The second time changes nothing.
		done := f.ask(t, "ada", http.MethodPost, "/"+u.ID+"/complete", struct{}{}).upload(t)
		require.Equal(t, "complete", done.State)
		require.Equal(t, u.ID, done.ID)
		require.Nil(t, done.Parts)
		require.WithinRange(t, done.MediaExpiresAt, f.clock().Add(time.Hour), f.clock().Add(6*time.Hour))
		resp, err := http.Get(done.MediaURL)
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.True(t, bytes.Equal(all, got))
		require.Equal(t, "video/mp4", resp.Header.Get("Content-Type"))
		require.Equal(t, "inline; filename=lecture.mp4", resp.Header.Get("Content-Disposition"))
	}
	a = f.ask(t, "ada", http.MethodPost, "/"+u.ID+"/parts", map[string]any{"numbers": []int{1}})
	require.Equal(t, "upload_complete", a.problem(t).Code)

	require.Equal(t, http.StatusNoContent, f.ask(t, "ada", http.MethodDelete, "/"+u.ID, nil).status)
	require.Equal(t, http.StatusNotFound, f.ask(t, "ada", http.MethodDelete, "/"+u.ID, nil).status)
	_, err := f.bucket.Head(t.Context(), caption.VideoKey(u.ID))
	require.Equal(t, caption.KindNotFound, caption.KindOf(err))
}

func TestAbort(t *testing.T) {
	f := newFixture(t)
	u := f.create(t, "ada", "a.mp4", partSize+1)
	address := f.sign(t, "ada", u.ID, 2)
	f.sendAll(t, "ada", u.ID, content(partSize+1), 1)
	require.Len(t, f.multiparts(t), 1)
	require.Equal(t, http.StatusNoContent, f.ask(t, "ada", http.MethodDelete, "/"+u.ID, nil).status)
	require.Empty(t, f.multiparts(t))
	status, text := put(t, address, http.MethodPut, []byte("x"))
	require.Equal(t, http.StatusNotFound, status, text)
}

func TestUsersDoNotSeeEachOther(t *testing.T) {
	f := newFixture(t)
	open, done := f.create(t, "ada", "a.mp4", 10), f.complete(t, "ada", 10)
	parts := map[string]any{"numbers": []int{1}}
	for _, id := range []string{open.ID, done.ID} {
		for _, c := range []struct {
			method, path string
			body         any
		}{
			{http.MethodGet, "", nil},
			{http.MethodDelete, "", nil},
			{http.MethodPost, "/parts", parts},
			{http.MethodPost, "/complete", struct{}{}},
		} {
			unknown := f.ask(t, "eve", c.method, "/"+caption.NewID()+c.path, c.body)
			require.Equal(t, http.StatusNotFound, unknown.status)
			other := f.ask(t, "eve", c.method, "/"+id+c.path, c.body)
			require.Equal(t, unknown.status, other.status)
			require.Equal(t, string(unknown.body), string(other.body))
			odd := f.ask(t, "eve", c.method, "/..%2f"+id+c.path, c.body)
			require.Equal(t, string(unknown.body), string(odd.body))
		}
	}
	require.JSONEq(t, `{"uploads":[]}`, string(f.ask(t, "eve", http.MethodGet, "", nil).body))
	require.Equal(t, "complete", f.ask(t, "ada", http.MethodGet, "/"+done.ID, nil).upload(t).State)
	for _, token := range []string{"", "bad"} {
		for _, c := range []struct{ method, path string }{
			{http.MethodPost, ""}, {http.MethodGet, ""}, {http.MethodGet, "/" + open.ID}, {http.MethodDelete, "/" + open.ID},
			{http.MethodPost, "/" + open.ID + "/parts"}, {http.MethodPost, "/" + open.ID + "/complete"},
		} {
			require.Equal(t, http.StatusUnauthorized, f.ask(t, token, c.method, c.path, nil).status)
		}
	}
}

func TestList(t *testing.T) {
	f := newFixture(t)
	first := f.complete(t, "ada", 10)
	second := f.create(t, "ada", "b.mp4", 10)
	ids := func(query string) (ids []string) {
		a := f.ask(t, "ada", http.MethodGet, query, nil)
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		var list struct{ Uploads []uploaded }
		require.NoError(t, json.Unmarshal(a.body, &list))
		for _, u := range list.Uploads {
			ids = append(ids, u.ID)
		}
		return ids
	}
	require.Equal(t, []string{second.ID, first.ID}, ids(""))
	require.Equal(t, []string{second.ID}, ids("?limit=1"))
	require.Equal(t, []string{first.ID}, ids("?state=complete"))
	require.Empty(t, ids("?fingerprint=other"))
	for _, query := range []string{"?state=odd", "?limit=0", "?limit=-1", "?limit=x", "?limit=100000"} {
		require.Equal(t, http.StatusBadRequest, f.ask(t, "ada", http.MethodGet, query, nil).status, query)
	}
}

func TestRefusedRequests(t *testing.T) {
	f := newFixture(t, func(f *fixture) { f.limits.MaxFileSize = 3 << 30 / 2 })
	u := f.create(t, "ada", "a.mp4", partSize+1)
	for name, c := range map[string]struct {
		path   string
		body   any
		status int
		code   string
	}{
		"no name":            {"", map[string]any{"size": 1}, 400, "name_missing"},
		"no size":            {"", map[string]any{"name": "a"}, 400, "size_invalid"},
		"empty file":         {"", map[string]any{"name": "a", "size": 0}, 400, "size_invalid"},
		"negative":           {"", map[string]any{"name": "a", "size": -1}, 400, "size_invalid"},
		"beyond int64":       {"", `{"name":"a","size":9223372036854775808}`, 400, "bad_json"},
		"fraction":           {"", `{"name":"a","size":1.5}`, 400, "bad_json"},
		"too large":          {"", map[string]any{"name": "a", "size": 2 << 30}, 413, "too_large"},
		"as large as it can": {"", map[string]any{"name": "a", "size": int64(1<<63 - 1)}, 413, "too_large"},
		"long fingerprint":   {"", map[string]any{"name": "a", "size": 1, "fingerprint": strings.Repeat("x", 257)}, 400, "fingerprint_invalid"},
		"unknown field":      {"", map[string]any{"name": "a", "size": 1, "key": "other"}, 400, "bad_json"},
		"no JSON":            {"", "name", 400, "bad_json"},
		"no numbers":         {"/" + u.ID + "/parts", map[string]any{"numbers": []int{}}, 400, "numbers_invalid"},
		"many numbers":       {"/" + u.ID + "/parts", map[string]any{"numbers": make([]int, 101)}, 400, "numbers_invalid"},
		"part 0":             {"/" + u.ID + "/parts", map[string]any{"numbers": []int{0}}, 400, "numbers_invalid"},
		"negative part":      {"/" + u.ID + "/parts", map[string]any{"numbers": []int{-1}}, 400, "numbers_invalid"},
		"part after last":    {"/" + u.ID + "/parts", map[string]any{"numbers": []int{1, 3}}, 400, "numbers_invalid"},
		"nothing sent":       {"/" + u.ID + "/complete", struct{}{}, 409, "parts_missing"},
		"complete with list": {"/" + u.ID + "/complete", map[string]any{"parts": []int{1}}, 400, "bad_json"},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.ask(t, "ada", http.MethodPost, c.path, c.body)
			require.Equal(t, c.status, a.status, "%s", a.body)
			require.Equal(t, c.code, a.problem(t).Code)
		})
	}
	require.Contains(t, f.ask(t, "ada", http.MethodPost, "", map[string]any{"name": "a", "size": 2 << 30}).problem(t).Detail, "1.5 GiB")
	require.Len(t, f.multiparts(t), 1)
}

func TestQuotas(t *testing.T) {
	create := map[string]any{"name": "a.mp4", "size": 100}
	for name, c := range map[string]struct {
		limits upload.Limits
		fits   int
		status int
		code   string
	}{
		"bytes": {upload.Limits{MaxUserBytes: 350}, 3, 413, "quota_exceeded"},
		"count": {upload.Limits{MaxUserUploads: 2}, 2, 413, "quota_exceeded"},
		"open":  {upload.Limits{MaxOpenUploads: 4}, 4, 429, "too_many_uploads"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(f *fixture) { f.limits = c.limits })
			var mu sync.Mutex
			answers := map[int]int{}
			var wg sync.WaitGroup
			for range 12 { // all at once
				wg.Go(func() {
					a := f.ask(t, "ada", http.MethodPost, "", create)
					mu.Lock()
					defer mu.Unlock()
					answers[a.status]++
				})
			}
			wg.Wait()
			require.Equal(t, map[int]int{201: c.fits, c.status: 12 - c.fits}, answers)
			require.Equal(t, c.code, f.ask(t, "ada", http.MethodPost, "", create).problem(t).Code)
			require.Len(t, f.multiparts(t), c.fits)
			require.Equal(t, http.StatusCreated, f.ask(t, "bob", http.MethodPost, "", create).status)

			var list struct{ Uploads []uploaded }
			require.NoError(t, json.Unmarshal(f.ask(t, "ada", http.MethodGet, "", nil).body, &list))
			require.Len(t, list.Uploads, c.fits)
			require.Equal(t, http.StatusNoContent, f.ask(t, "ada", http.MethodDelete, "/"+list.Uploads[0].ID, nil).status)
			require.Equal(t, http.StatusCreated, f.ask(t, "ada", http.MethodPost, "", create).status)
		})
	}
}

func TestCompletionsAtTheSameTime(t *testing.T) {
	f := newFixture(t)
	all := content(partSize + 5)
	u := f.create(t, "ada", "a.mp4", int64(len(all)))
	f.sendAll(t, "ada", u.ID, all, 1, 2)
	// Another replica knows nothing of the locks of this one.
	other := upload.New(upload.Deps{Videos: f.videos, Bucket: f.bucket, Verifier: names{}, PartSize: partSize, Now: f.clock})
	entries := []http.Handler{f.service.Handler(), other.Handler()}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			a := serve(entries[i%2], "ada", http.MethodPost, "/"+u.ID+"/complete")
			if a.status != http.StatusOK {
				t.Errorf("completion %d: %d %s", i, a.status, a.body)
			}
		})
	}
	wg.Wait()
	done := f.ask(t, "ada", http.MethodGet, "/"+u.ID, nil).upload(t)
	require.Equal(t, "complete", done.State)
	o, err := f.bucket.Head(t.Context(), caption.VideoKey(u.ID))
	require.NoError(t, err)
	require.EqualValues(t, len(all), o.Size)
}
