package upload_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/blob/embeddeds3"
	"k8s-scalers/internal/caption"
)

// An address for one part is good for that part of that upload, with that size, for some time, and for nothing else.
func TestAddressesOfPartsUnderAttack(t *testing.T) {
	f := newFixture(t)
	all := content(partSize + 10)
	u, other := f.create(t, "ada", "a.mp4", int64(len(all))), f.create(t, "bob", "b.mp4", int64(len(all)))
	v, err := f.videos.Video(t.Context(), u.ID)
	require.NoError(t, err)
	o, err := f.videos.Video(t.Context(), other.ID)
	require.NoError(t, err)
	good := f.sign(t, "ada", u.ID, 2)
	query := func(change func(q url.Values)) string {
		a, err := url.Parse(good)
		require.NoError(t, err)
		q := a.Query()
		change(q)
		a.RawQuery = q.Encode()
		return a.String()
	}
	past, err := blob.Open(t.Context(), blob.Config{Bucket: "media", Endpoint: embeddeds3.Endpoint, PathStyle: true,
		AccessKey: f.storage.AccessKey(), SecretKey: f.storage.SecretKey(), Now: func() time.Time { return time.Now().Add(-2 * time.Hour) }})
	require.NoError(t, err)
	expired, err := past.PresignPart(t.Context(), caption.PartURL{Key: v.Key, MultipartID: v.MultipartID, Number: 2, Size: 10, Expires: time.Hour, Origin: f.entry.URL})
	require.NoError(t, err)
	stranger, err := blob.Open(t.Context(), blob.Config{Bucket: "media", Endpoint: embeddeds3.Endpoint, PathStyle: true, AccessKey: f.storage.AccessKey(), SecretKey: "guess"})
	require.NoError(t, err)
	guessed, err := stranger.PresignPart(t.Context(), caption.PartURL{Key: v.Key, MultipartID: v.MultipartID, Number: 2, Size: 10, Expires: time.Hour, Origin: f.entry.URL})
	require.NoError(t, err)

	body := partOf(all, 2)
	for name, c := range map[string]struct {
		address, method string
		body            []byte
	}{
		"tampered signature": {query(func(q url.Values) { q.Set("X-Amz-Signature", strings.Repeat("0", 64)) }), http.MethodPut, body},
		"no signature":       {query(func(q url.Values) { q.Del("X-Amz-Signature") }), http.MethodPut, body},
		"no query":           {strings.SplitN(good, "?", 2)[0], http.MethodPut, body},
		"other secret":       {guessed, http.MethodPut, body},
		"expired":            {expired, http.MethodPut, body},
		"longer validity":    {query(func(q url.Values) { q.Set("X-Amz-Expires", "604800") }), http.MethodPut, body},
		"other date":         {query(func(q url.Values) { q.Set("X-Amz-Date", time.Now().UTC().Add(time.Minute).Format("20060102T150405Z")) }), http.MethodPut, body},
		"other key":          {strings.Replace(good, v.Key, o.Key, 1), http.MethodPut, body},
		"key above":          {strings.Replace(good, v.Key, v.Key+"/../../x", 1), http.MethodPut, body},
		"other upload":       {query(func(q url.Values) { q.Set("uploadId", o.MultipartID) }), http.MethodPut, body},
		"no upload":          {query(func(q url.Values) { q.Del("uploadId"); q.Del("partNumber") }), http.MethodPut, body},
		"other part":         {query(func(q url.Values) { q.Set("partNumber", "1") }), http.MethodPut, body},
		"longer body":        {good, http.MethodPut, append([]byte("x"), body...)},
		"much longer body":   {good, http.MethodPut, all},
		"shorter body":       {good, http.MethodPut, body[1:]},
		"empty body":         {good, http.MethodPut, nil},
		"length not signed":  {query(func(q url.Values) { q.Set("X-Amz-SignedHeaders", "host") }), http.MethodPut, body},
		"read":               {good, http.MethodGet, nil},
		"delete":             {good, http.MethodDelete, nil},
		"complete":           {good, http.MethodPost, body},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := put(t, c.address, c.method, c.body)
			require.True(t, status == 0 || status >= 400 && status < 500, "%d %s", status, text)
		})
	}
	for _, id := range []string{u.ID, other.ID} {
		owner := map[string]string{u.ID: "ada", other.ID: "bob"}[id]
		require.Empty(t, f.ask(t, owner, http.MethodGet, "/"+id, nil).upload(t).Parts)
	}
	status, text := put(t, good, http.MethodPut, body)
	require.Equal(t, http.StatusOK, status, text)
}

func TestAddressesForPlayingUnderAttack(t *testing.T) {
	f := newFixture(t)
	mine, theirs := f.complete(t, "ada", 10), f.complete(t, "bob", 11)
	query := func(name, value string) string {
		a, err := url.Parse(mine.MediaURL)
		require.NoError(t, err)
		q := a.Query()
		q.Set(name, value)
		a.RawQuery = q.Encode()
		return a.String()
	}
	for name, c := range map[string]struct{ address, method string }{
		"other video":  {strings.Replace(mine.MediaURL, mine.ID, theirs.ID, 1), http.MethodGet},
		"other type":   {query("response-content-type", "text/html"), http.MethodGet},
		"longer":       {query("X-Amz-Expires", "604800"), http.MethodGet},
		"list":         {strings.Replace(mine.MediaURL, "/"+caption.VideoKey(mine.ID), "/", 1), http.MethodGet},
		"write":        {mine.MediaURL, http.MethodPut},
		"delete":       {mine.MediaURL, http.MethodDelete},
		"no signature": {strings.SplitN(mine.MediaURL, "?", 2)[0], http.MethodGet},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := put(t, c.address, c.method, nil)
			require.True(t, status >= 400 && status < 500, "%d %s", status, text)
		})
	}
	status, text := put(t, mine.MediaURL, http.MethodGet, nil)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, string(content(10)), text)
}

// Addresses carry the host by which the client came, as the gateway tells it.
func TestOriginOfAddresses(t *testing.T) {
	f := newFixture(t)
	u := f.create(t, "ada", "a.mp4", 10)
	for name, c := range map[string]struct{ host, proto, want string }{
		"none":        {"", "", f.entry.URL},
		"https":       {"captions.example.org", "https", "https://captions.example.org"},
		"port":        {"captions.example.org:8443", "https", "https://captions.example.org:8443"},
		"IPv6":        {"[::1]:8080", "http", "http://[::1]:8080"},
		"odd proto":   {"captions.example.org", "javascript", "http://captions.example.org"},
		"path":        {"evil.example/x", "http", embeddeds3.Endpoint},
		"credentials": {"user@evil.example", "http", embeddeds3.Endpoint},
		"query":       {"evil.example?x", "http", embeddeds3.Endpoint},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodPost, f.entry.URL+"/api/v1/uploads/"+u.ID+"/parts", strings.NewReader(`{"numbers":[1]}`))
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer ada")
			req.Header.Set("Content-Type", "application/json")
			if c.host != "" {
				req.Header.Set("X-Forwarded-Host", c.host)
				req.Header.Set("X-Forwarded-Proto", c.proto)
			}
			resp, err := f.entry.Client().Do(req)
			require.NoError(t, err)
			var out struct {
				Parts []struct{ URL string }
			}
			require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
			require.NoError(t, resp.Body.Close())
			require.Len(t, out.Parts, 1)
			require.True(t, strings.HasPrefix(out.Parts[0].URL, c.want+"/media/"), out.Parts[0].URL)
		})
	}
}
