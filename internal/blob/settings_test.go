package blob_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/caption"
)

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]blob.Config{
		"s3://media":                      {Bucket: "media"},
		"s3://media/?region=eu-central-1": {Bucket: "media", Region: "eu-central-1"},
		"s3://media?endpoint=http://minio:9000&path_style=true&region=x":      {Bucket: "media", Endpoint: "http://minio:9000", PathStyle: true, Region: "x"},
		"s3://media?endpoint=http%3A%2F%2Fs3&public_endpoint=https://s3.test": {Bucket: "media", Endpoint: "http://s3", PublicEndpoint: "https://s3.test"},
	} {
		got, err := blob.ParseURL(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, got, raw)
	}
	for _, raw := range []string{
		"", "media", "s3:", "s3://", "s3://?region=x", "http://media", "s3://media/key", "s3://media#x", "s3://key:SECRET@media", "s3://me dia",
		"s3://media?endpoint=minio:9000", "s3://media?endpoint=http://minio/path", "s3://media?endpoint=ftp://minio", "s3://media?endpoint=http://u:SECRET@minio",
		"s3://media?path_style=perhaps", "s3://media?secret_key=SECRET", "s3://media?region=%zz",
	} {
		_, err := blob.ParseURL(raw)
		require.Equal(t, caption.KindInvalid, caption.KindOf(err), raw)
		require.Equal(t, "bad_settings", caption.CodeOf(err), raw)
		require.NotContains(t, err.Error(), "SECRET")
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("s3://media?endpoint=http://minio:9000&path_style=true&region=x")
	f.Add("s3://a:b@media?endpoint=%")
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := blob.ParseURL(raw)
		if err != nil {
			require.Equal(t, caption.KindInvalid, caption.KindOf(err))
			return
		}
		require.NotEmpty(t, c.Bucket)
		require.Empty(t, c.AccessKey+c.SecretKey)
	})
}

func TestOpenRefusesHalfOfTheKeys(t *testing.T) {
	_, err := blob.Open(t.Context(), blob.Config{Bucket: "b", AccessKey: "a"})
	require.Equal(t, caption.KindInvalid, caption.KindOf(err))
	_, err = blob.Open(t.Context(), blob.Config{})
	require.Equal(t, caption.KindInvalid, caption.KindOf(err))
}

// Addresses carry the host that the client is to ask.
func TestAddresses(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		endpoint, public, origin string
		pathStyle                bool
		want                     string
	}{
		"Amazon":                 {"", "", "https://ours.test", false, "https://media.s3.eu-central-1.amazonaws.com/videos/v%20%C3%BC?"},
		"Amazon by path":         {"", "", "", true, "https://s3.eu-central-1.amazonaws.com/media/videos/v%20%C3%BC?"},
		"our entry":              {"http://s3:9000", "", "https://ours.test", false, "https://ours.test/media/videos/v%20%C3%BC?"},
		"our entry with a port":  {"http://s3:9000", "", "http://localhost:8080", true, "http://localhost:8080/media/videos/v%20%C3%BC?"},
		"no entry":               {"http://s3:9000", "", "", true, "http://s3:9000/media/videos/v%20%C3%BC?"},
		"entry that is none":     {"http://s3:9000", "", "https://ours.test/path?x", true, "http://s3:9000/media/videos/v%20%C3%BC?"},
		"public endpoint":        {"http://s3:9000", "https://s3.test", "https://ours.test", true, "https://s3.test/media/videos/v%20%C3%BC?"},
		"public endpoint by DNS": {"http://s3:9000", "https://s3.test", "https://ours.test", false, "https://media.s3.test/videos/v%20%C3%BC?"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, blob.Config{Bucket: "media", Endpoint: c.endpoint, PublicEndpoint: c.public, PathStyle: c.pathStyle, Region: "eu-central-1",
				AccessKey: "a", SecretKey: "s", Now: func() time.Time { return now }})
			part, err := b.PresignPart(t.Context(), caption.PartURL{Key: "videos/v ü", MultipartID: "id", Number: 7, Size: 1234, Expires: time.Hour, Origin: c.origin})
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(part, c.want), part)
			q := query(t, part)
			require.Equal(t, "20260102T030405Z", q.Get("X-Amz-Date"))
			require.Equal(t, "3600", q.Get("X-Amz-Expires"))
			require.Equal(t, "content-length;host", q.Get("X-Amz-SignedHeaders"))
			require.Equal(t, "7", q.Get("partNumber"))
			require.NotContains(t, strings.ToLower(part), "checksum")

			media, err := b.PresignGet(t.Context(), caption.MediaURL{Key: "videos/v ü", Expires: time.Minute, Origin: c.origin, ContentType: "video/mp4", FileName: "Füße.mp4", Attachment: true})
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(media, c.want), media)
			require.Equal(t, "video/mp4", query(t, media).Get("response-content-type"))
			require.Equal(t, "attachment; filename*=utf-8''F%C3%BC%C3%9Fe.mp4", query(t, media).Get("response-content-disposition"))
		})
	}
}

func query(t *testing.T, raw string) url.Values {
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u.Query()
}

// answering is a server that always says the same.
func answering(t *testing.T, status int, code string) *blob.Bucket {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		if code != "" {
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>internal-detail</Message></Error>", code)
		}
	}))
	t.Cleanup(s.Close)
	return open(t, blob.Config{Bucket: "media", Endpoint: s.URL, PathStyle: true, AccessKey: "a", SecretKey: "s", HTTPClient: s.Client()})
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		code     string
		kind     caption.Kind
		wantCode string
	}{
		"no object":       {404, "NoSuchKey", caption.KindNotFound, "no_such_object"},
		"no upload":       {404, "NoSuchUpload", caption.KindNotFound, "no_such_multipart"},
		"no bucket":       {404, "NoSuchBucket", caption.KindInternal, ""},
		"denied":          {403, "AccessDenied", caption.KindInternal, ""},
		"full":            {507, "InsufficientStorage", caption.KindUnavailable, "storage_full"},
		"full, no word":   {507, "", caption.KindUnavailable, "storage_full"},
		"quota":           {403, "QuotaExceeded", caption.KindUnavailable, "storage_full"},
		"full disk":       {507, "XMinioStorageFull", caption.KindUnavailable, "storage_full"},
		"slow down":       {503, "SlowDown", caption.KindUnavailable, "storage_unavailable"},
		"fault":           {500, "InternalError", caption.KindUnavailable, "storage_unavailable"},
		"gateway's fault": {502, "", caption.KindUnavailable, "storage_unavailable"},
		"bad part":        {400, "InvalidPart", caption.KindConflict, "parts_changed"},
	} {
		t.Run(name, func(t *testing.T) {
			err := answering(t, c.status, c.code).CompleteMultipart(t.Context(), "k", "id", []caption.Part{{Number: 1, ETag: "e"}})
			require.Error(t, err)
			require.Equal(t, c.kind, caption.KindOf(err), "%v", err)
			require.Equal(t, c.wantCode, caption.CodeOf(err))
			if e, ok := errors.AsType[*caption.Error](err); ok {
				require.NotContains(t, e.Message, "internal-detail")
			}
		})
	}
}

func TestServerAway(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	b := open(t, blob.Config{Bucket: "media", Endpoint: s.URL, PathStyle: true, AccessKey: "a", SecretKey: "s"})
	_, err := b.Head(t.Context(), "k")
	require.Equal(t, "storage_unavailable", caption.CodeOf(err), "%v", err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Head(ctx, "k")
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, caption.KindInternal, caption.KindOf(err))
}

// TestServerHangs has a server that takes requests and never answers.
func TestServerHangs(t *testing.T) {
	gone := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gone }))
	defer s.Close()
	defer close(gone)
	b := open(t, blob.Config{Bucket: "media", Endpoint: s.URL, PathStyle: true, AccessKey: "a", SecretKey: "s"})
	start := time.Now()
	_, err := b.CreateMultipart(t.Context(), "k", "")
	require.Equal(t, "storage_unavailable", caption.CodeOf(err), "%v", err)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(start), 5*time.Second, "it is given some time")
}

func TestEnsure(t *testing.T) {
	for name, c := range map[string]struct {
		head, create, cors int
		code               string
		fails              bool
	}{
		"there":               {200, 500, 200, "", false},
		"created":             {404, 200, 200, "", false},
		"may not be created":  {404, 403, 200, "AccessDenied", true},
		"created by another":  {404, 409, 200, "BucketAlreadyOwnedByYou", false},
		"somebody else's":     {404, 409, 200, "BucketAlreadyExists", true},
		"no rules for others": {200, 500, 501, "NotImplemented", false},
		"rules not allowed":   {200, 500, 403, "AccessDenied", false},
		"server away":         {200, 500, 400, "MalformedXML", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				status := c.create
				switch {
				case r.Method == http.MethodHead:
					status = c.head
				case r.URL.Query().Has("cors"):
					status = c.cors
				}
				w.WriteHeader(status)
				if status >= 400 && r.Method != http.MethodHead {
					_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", c.code)
				}
			}))
			defer s.Close()
			err := open(t, blob.Config{Bucket: "media", Endpoint: s.URL, PathStyle: true, AccessKey: "a", SecretKey: "s", HTTPClient: s.Client()}).Ensure(t.Context(), "*")
			require.Equal(t, c.fails, err != nil, "%v", err)
		})
	}
}
