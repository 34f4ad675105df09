package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"
)

// hostilePresigned tries addresses of parts and of videos that were changed.
func hostilePresigned(t *testing.T, e *Env) {
	ada := e.user(t)
	content := e.Fixtures.bytes(t, "short.mp4")
	up, other := ada.createUpload("a.mp4", int64(len(content)), ""), ada.createUpload("b.mp4", int64(len(content)), "")
	signed, others := ada.signParts(up.ID, 1)[0], ada.signParts(other.ID, 1)[0]
	changed := func(from string, change func(*url.URL, url.Values)) string {
		u, err := url.Parse(from)
		require.NoError(t, err)
		q := u.Query()
		change(u, q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	otherURL, err := url.Parse(others.URL)
	require.NoError(t, err)
	set := func(name, value string) func(*url.URL, url.Values) {
		return func(_ *url.URL, q url.Values) { q.Set(name, value) }
	}
	flip := func(_ *url.URL, q url.Values) {
		s := []byte(q.Get("X-Amz-Signature"))
		s[0] ^= 1
		q.Set("X-Amz-Signature", string(s))
	}
	attacks := map[string]func(*url.URL, url.Values){
		"signature":       flip,
		"no signature":    func(_ *url.URL, q url.Values) { q.Del("X-Amz-Signature") },
		"no query":        func(_ *url.URL, q url.Values) { clear(q) },
		"expires later":   set("X-Amz-Expires", "604800"),
		"expires never":   func(_ *url.URL, q url.Values) { q.Del("X-Amz-Expires") },
		"expired":         set("X-Amz-Date", "20200101T000000Z"),
		"in the future":   set("X-Amz-Date", "20990101T000000Z"),
		"another key":     func(u *url.URL, _ url.Values) { u.Path = otherURL.Path },
		"key above":       func(u *url.URL, _ url.Values) { u.Path = u.Path[:strings.LastIndex(u.Path, "/")+1] + "../x" },
		"another bucket":  func(u *url.URL, _ url.Values) { u.Path = "/other" + u.Path[strings.Index(u.Path[1:], "/")+1:] },
		"another part":    set("partNumber", "2"),
		"another upload":  set("uploadId", otherURL.Query().Get("uploadId")),
		"a whole object":  func(_ *url.URL, q url.Values) { q.Del("uploadId"); q.Del("partNumber") },
		"somebody else":   set("X-Amz-Credential", "somebody/20260101/us-east-1/s3/aws4_request"),
		"fewer headers":   set("X-Amz-SignedHeaders", "host"),
		"other algorithm": set("X-Amz-Algorithm", "NONE"),
	}
	for name, change := range attacks {
		status, body := ada.put(changed(signed.URL, change), content)
		require.False(t, status >= 200 && status < 300, "%s: %d %s", name, status, body)
		require.Less(t, status, 500, "%s: %s", name, body)
	}
	var now upload
	ada.do("GET", "/api/v1/uploads/"+up.ID, nil).is(http.StatusOK).into(&now)
	require.Empty(t, now.Parts, "a refused part was stored")

	// Addresses that are signed rightly, but were so too long ago, or by somebody else.
	keys, stranger := e.ObjectKeys(t), e.ObjectKeys(t)
	stranger.SecretAccessKey += "x"
	for name, to := range map[string]string{
		"expired":    resigned(t, keys, signed.URL, signed.Size, time.Now().Add(-8*24*time.Hour)),
		"a stranger": resigned(t, stranger, signed.URL, signed.Size, time.Now()),
	} {
		status, body := ada.put(to, content)
		require.True(t, status == 0 || status == http.StatusForbidden, "%s: %d %s", name, status, body)
	}
	status, body := ada.put(resigned(t, keys, signed.URL, signed.Size, time.Now()), content)
	require.Equal(t, http.StatusOK, status, "the forger must know the keys: %s", body)

	// The right address takes the right number of bytes only.
	for _, wrong := range [][]byte{content[:len(content)-1], append(bytes.Clone(content), 0), nil} {
		status, _ := ada.put(signed.URL, wrong)
		if status == http.StatusOK {
			ada.do("POST", "/api/v1/uploads/"+up.ID+"/complete", nil).is(http.StatusConflict)
		}
	}
	status, body = ada.put(signed.URL, content)
	require.Equal(t, http.StatusOK, status, body)
	for _, method := range []string{"GET", "DELETE", "POST"} {
		require.GreaterOrEqual(t, bare(t, ada, method, signed.URL), 400, method)
	}
	ada.do("POST", "/api/v1/uploads/"+up.ID+"/complete", nil).is(http.StatusOK)

	ada.do("GET", "/api/v1/uploads/"+up.ID, nil).is(http.StatusOK).into(&now)
	require.Equal(t, http.StatusOK, bare(t, ada, "GET", now.MediaURL))
	for name, change := range attacks {
		if name == "another part" || name == "another upload" || name == "a whole object" || name == "fewer headers" {
			continue // The address of a video has no parts, and no header but one.
		}
		got := bare(t, ada, "GET", changed(now.MediaURL, change))
		require.GreaterOrEqual(t, got, 300, name)
		require.Less(t, got, 500, name)
	}
	for _, method := range []string{"PUT", "DELETE", "POST"} {
		require.GreaterOrEqual(t, bare(t, ada, method, now.MediaURL), 400, method)
	}
	bucket := now.MediaURL[:strings.Index(now.MediaURL[len("http://"):], "/")+len("http://")+1]
	bucket += strings.Split(strings.TrimPrefix(now.MediaURL, bucket), "/")[0]
	for _, path := range []string{"", "/", "?list-type=2", "?uploads", "?policy", "?cors", "/?location"} {
		require.GreaterOrEqual(t, bare(t, ada, "GET", bucket+path), 400, "the bucket %q is open", path)
	}
	// The video is still what was sent.
	says(t, ada.processed(ada.caption(up.ID, nil).ID).Cues, shortWords)
	ada.do("DELETE", "/api/v1/uploads/"+other.ID, nil).is(http.StatusNoContent)
	status, _ = ada.put(others.URL, content)
	require.NotEqual(t, http.StatusOK, status, "a part of an aborted upload was stored")
}

// resigned returns the address of a part as it would have been signed with other keys, or at another time.
func resigned(t *testing.T, keys aws.Credentials, from string, size int64, at time.Time) string {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, from, nil)
	require.NoError(t, err)
	r.ContentLength = size
	q := r.URL.Query()
	scope := strings.Split(q.Get("X-Amz-Credential"), "/") // key, date, region, service, aws4_request
	require.Len(t, scope, 5)
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		q.Del(name)
	}
	r.URL.RawQuery = q.Encode()
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	to, _, err := signer.PresignHTTP(t.Context(), keys, r, "UNSIGNED-PAYLOAD", "s3", scope[2], at)
	require.NoError(t, err)
	return to
}

// bare makes a request without a token to an address outside of the API and returns its status.
func bare(t *testing.T, u *user, method, to string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, to, nil)
	require.NoError(t, err)
	res, err := u.http.Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }() // Only the status counts.
	return res.StatusCode
}

// unroutable marks a request for an address that there is not.
func unroutable(r *http.Request) { *r = *r.WithContext(withRules(r.Context(), unrouted)) }

// hostilePaths tries ids and addresses that lead elsewhere, or nowhere.
func hostilePaths(t *testing.T, e *Env) {
	ada := e.user(t)
	j := ada.caption(ada.upload("mute.mp4", e.Fixtures.bytes(t, "mute.mp4")).ID, nil)
	ids := []string{
		"..", "...", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cx", "%00", j.ID + "%00", j.ID + "%0d%0aX-Evil:%201",
		strings.ToUpper(j.ID), j.ID[:25], j.ID + "a", j.ID + "%20", "%20" + j.ID, "%2f", "*", "'%20or%201=1", "%ff%fe", "é", "0", "-1", "null", "undefined",
		strings.Repeat("a", 8000), "options%2f..", "{id}",
	}
	for _, id := range ids {
		for _, route := range []struct{ method, path string }{
			{"GET", "/api/v1/captions/%s"}, {"DELETE", "/api/v1/captions/%s"}, {"POST", "/api/v1/captions/%s/cancel"},
			{"GET", "/api/v1/captions/%s/transcript"}, {"GET", "/api/v1/captions/%s/events"}, {"GET", "/api/v1/result/%s"},
			{"GET", "/api/v1/uploads/%s"}, {"DELETE", "/api/v1/uploads/%s"},
		} {
			r := ada.do(route.method, fmt.Sprintf(route.path, id), nil, unroutable)
			if r.Status == http.StatusTemporaryRedirect { // to the same address without its dots
				require.Regexp(t, `^/api/v1(/[a-z]*)*$`, r.Header.Get("Location"), r.what)
				continue
			}
			require.Contains(t, []int{http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed}, r.Status, "%s: %s", r.what, r.Body)
			require.Empty(t, r.Header.Get("X-Evil"))
		}
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/api/v1/nothing", http.StatusNotFound},
		{"GET", "/api/v1/", http.StatusNotFound},
		{"GET", "/api/", http.StatusNotFound},
		{"GET", "/api/v2/captions", http.StatusNotFound},
		{"GET", "/api/v1/captions/" + j.ID + "/nothing", http.StatusNotFound},
		{"GET", "/api/v1/auth/nothing", http.StatusNotFound},
		{"PATCH", "/api/v1/captions", http.StatusMethodNotAllowed},
		{"DELETE", "/api/v1/captions", http.StatusMethodNotAllowed},
		{"POST", "/api/v1/captions/" + j.ID, http.StatusMethodNotAllowed},
		{"GET", "/api/v1/auth/login", http.StatusMethodNotAllowed},
		{"PUT", "/api/v1/uploads", http.StatusMethodNotAllowed},
	} {
		r := ada.do(c.method, c.path, nil, unroutable)
		require.Equal(t, c.status, r.Status, "%s: %s", r.what, r.Body)
		if c.status == http.StatusMethodNotAllowed {
			require.NotEmpty(t, r.Header.Get("Allow"), r.what)
		}
	}
	// Longer than a server reads: the connection may be closed, but nothing worse happens.
	if res, err := http.Get(e.BaseURL() + "/api/v1/captions/" + strings.Repeat("a", 2<<20)); err == nil {
		require.NoError(t, res.Body.Close())
		require.Contains(t, []int{http.StatusRequestHeaderFieldsTooLarge, http.StatusRequestURITooLong}, res.StatusCode)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/readyz"} {
		res, err := http.Get(e.BaseURL() + path)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.NotEqual(t, http.StatusOK, res.StatusCode, "%s is for operators", path)
	}
	ada.job(j.ID)
}

// hostileBodies sends to every route that reads a body what it does not expect.
func hostileBodies(t *testing.T, e *Env) {
	ada := e.user(t)
	open := ada.createUpload("open.mp4", 1000, "")
	up := ada.upload("silence.mp4", e.Fixtures.bytes(t, "silence.mp4"))
	j := ada.caption(up.ID, nil)
	ada.processed(j.ID)
	type route struct {
		method, path, field string // field is one that the route has
		limit               int    // of the body, in bytes
	}
	routes := []route{
		{"POST", "/api/v1/auth/signup", "email", 1 << 20},
		{"POST", "/api/v1/auth/login", "password", 1 << 20},
		{"POST", "/api/v1/auth/refresh", "refresh_token", 1 << 20},
		{"POST", "/api/v1/auth/validate", "token", 1 << 20},
		{"POST", "/api/v1/uploads", "name", 1 << 20},
		{"POST", "/api/v1/uploads/" + open.ID + "/parts", "numbers", 1 << 20},
		{"POST", "/api/v1/captions", "upload_id", 1 << 20},
		{"PUT", "/api/v1/captions/" + j.ID + "/transcript", "cues", 16 << 20},
	}
	ifMatch := header("If-Match", `"1"`)
	for _, r := range routes {
		deep := strings.Repeat(`{"`+r.field+`":[`, 20_000) + strings.Repeat(`]}`, 20_000)
		for name, body := range map[string]string{
			"empty":          "",
			"space":          "   ",
			"not JSON":       "email=ada@example.org",
			"cut off":        `{"` + r.field + `":`,
			"an array":       `[]`,
			"a string":       `"` + r.field + `"`,
			"a number":       `1e400`,
			"trailing":       `{} {}`,
			"unknown field":  `{"` + r.field + `_":1}`,
			"wrong type":     `{"` + r.field + `":{"a":1}}`,
			"wrong number":   `{"` + r.field + `":1.5}`,
			"deep":           deep,
			"deep arrays":    strings.Repeat("[", 100_000),
			"not UTF-8":      "{\"" + r.field + "\":\"\xff\xfe\", \"x\":1}",
			"a proto":        `{"__proto__":{"admin":true}}`,
			"control letter": "{\"" + r.field + "\":\"\x00\"}",
		} {
			got := ada.do(r.method, r.path, raw{"application/json", strings.NewReader(body)}, breaking, ifMatch)
			if body == "" && strings.HasSuffix(r.path, "/refresh") {
				require.Equal(t, http.StatusUnauthorized, got.Status, "a browser sends its cookie, and no body")
				continue
			}
			require.Contains(t, []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}, got.Status, "%s: %s: %s", name, got.what, got.Body)
			require.NotRegexp(t, `(?i)goroutine|\.go:|struct|reflect|internal/`, string(got.Body), name)
		}
		for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "application/json/evil", ";"} {
			got := ada.do(r.method, r.path, raw{contentType, strings.NewReader(`{}`)}, breaking, ifMatch)
			got.refused(http.StatusBadRequest, "content_type")
		}
		huge := raw{"application/json", strings.NewReader(`{"` + r.field + `":"` + strings.Repeat("x", r.limit) + `"}`)}
		got := ada.do(r.method, r.path, huge, breaking, ifMatch)
		require.Equal(t, http.StatusRequestEntityTooLarge, got.Status, "%s: %s", got.what, got.Body)
		// One that does not say how long it is.
		endless := raw{"application/json", struct{ *strings.Reader }{strings.NewReader(`{"` + r.field + `":"` + strings.Repeat("x", r.limit) + `"}`)}}
		got = ada.do(r.method, r.path, endless, breaking, ifMatch)
		require.Equal(t, http.StatusRequestEntityTooLarge, got.Status, "%s: %s", got.what, got.Body)
	}
	for _, body := range []map[string]any{
		{"name": "x.mp4", "size": -1}, {"name": "x.mp4", "size": 1.5}, {"name": "", "size": 10},
		{"name": "x.mp4"}, {"size": 10}, {"name": "x.mp4", "size": "10"},
	} {
		ada.do("POST", "/api/v1/uploads", body, breaking).refused(http.StatusBadRequest, "")
	}
	ada.do("POST", "/api/v1/uploads", map[string]any{"name": "x.mp4", "size": int64(1) << 60}).is(http.StatusRequestEntityTooLarge)
	for _, numbers := range []any{[]int{0}, []int{-1}, []int{2}, []int{10001}, []int{}, make([]int, 101), nil, "1"} {
		ada.do("POST", "/api/v1/uploads/"+open.ID+"/parts", map[string]any{"numbers": numbers}, breaking).refused(http.StatusBadRequest, "")
	}
	for _, fields := range []map[string]any{
		{"language": "klingonese-!"}, {"language": "tlh"}, {"engine": "nobody"}, {"profile": "../netflix"}, {"audio_track": -1}, {"audio_track": 64},
		{"diarize": true}, {"title": strings.Repeat("t", 256)}, {"title": "a\u0000b"}, {"diarize": "yes"},
	} {
		body := map[string]any{"upload_id": up.ID}
		maps.Copy(body, fields)
		ada.do("POST", "/api/v1/captions", body, breaking).refused(http.StatusBadRequest, "")
	}
	for _, cues := range []any{
		nil, "x", []any{map[string]any{"start": 2, "end": 1, "text": "x"}}, []any{map[string]any{"start": -1, "end": 1, "text": "x"}},
		[]any{map[string]any{"start": 0, "end": 1, "text": ""}}, []any{map[string]any{"start": 0, "end": 1e300, "text": "x"}},
		[]any{map[string]any{"start": 0, "end": 1, "text": "x", "style": "evil"}}, []any{map[string]any{"start": "0", "end": 1, "text": "x"}},
	} {
		ada.do("PUT", "/api/v1/captions/"+j.ID+"/transcript", map[string]any{"cues": cues}, breaking, ifMatch).refused(http.StatusBadRequest, "")
	}
	require.Equal(t, 1, ada.processed(j.ID).Version, "a bad edit was stored")
	require.Len(t, ada.list(nil).Captions, 1, "a bad request made a job")
}
