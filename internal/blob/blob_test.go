package blob_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/blob/embeddeds3"
	"k8s-scalers/internal/caption"
)

// server is the one S3 server of the tests.
var server *embeddeds3.Server

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "blob-test-")
	if err == nil {
		server, err = embeddeds3.New(embeddeds3.Config{Dir: dir})
	}
	if err != nil {
		slog.Error("no storage", "error", err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	code := m.Run()
	cancel()
	err = <-ended
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err == nil && code == 0 {
		err = goleak.Find(
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
	}
	if err != nil {
		slog.Error("after the tests", "error", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func config() blob.Config {
	return blob.Config{Bucket: "test", Endpoint: embeddeds3.Endpoint, PathStyle: true,
		AccessKey: server.AccessKey(), SecretKey: server.SecretKey(), HTTPClient: server.HTTPClient()}
}

func open(t *testing.T, c blob.Config) *blob.Bucket {
	t.Helper()
	b, err := blob.Open(t.Context(), c)
	require.NoError(t, err)
	return b
}

// bucket is an empty bucket.
func bucket(t *testing.T) *blob.Bucket {
	t.Helper()
	c := config()
	c.Bucket = "test-" + caption.NewID()
	b := open(t, c)
	require.NoError(t, b.Ensure(t.Context(), "*"))
	return b
}

func put(t *testing.T, b *blob.Bucket, key string, content []byte) {
	t.Helper()
	require.NoError(t, b.Put(t.Context(), key, bytes.NewReader(content), int64(len(content)), "application/test"))
}

func keys(t *testing.T, b *blob.Bucket, prefix string) (keys []string) {
	t.Helper()
	for o, err := range b.List(t.Context(), prefix) {
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
	return keys
}

func TestObjects(t *testing.T) {
	b := bucket(t)
	require.NoError(t, b.Ensure(t.Context(), "*")) // again
	put(t, b, "a/1", []byte("one"))
	put(t, b, "a/2", nil)
	put(t, b, "b", []byte("three"))
	put(t, b, "a/1", []byte("uno"))

	body, size, err := b.Get(t.Context(), "a/1")
	require.NoError(t, err)
	got, err := io.ReadAll(body)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	require.Equal(t, "uno", string(got))
	require.EqualValues(t, 3, size)
	o, err := b.Head(t.Context(), "a/2")
	require.NoError(t, err)
	require.Equal(t, caption.Object{Key: "a/2", ContentType: "application/test", Modified: o.Modified}, o)
	require.WithinDuration(t, time.Now(), o.Modified, time.Hour)

	require.Equal(t, []string{"a/1", "a/2", "b"}, keys(t, b, ""))
	require.Equal(t, []string{"a/1", "a/2"}, keys(t, b, "a/"))
	for o, err := range b.List(t.Context(), "") {
		require.NoError(t, err)
		require.Equal(t, "a/1", o.Key)
		break // A reader may stop.
	}

	require.Error(t, b.DeletePrefix(t.Context(), ""))
	require.NoError(t, b.DeletePrefix(t.Context(), "a/"))
	require.NoError(t, b.DeletePrefix(t.Context(), "a/"))
	require.Equal(t, []string{"b"}, keys(t, b, ""))
	require.NoError(t, b.Delete(t.Context(), "b"))
	require.NoError(t, b.Delete(t.Context(), "b"))
	for _, err := range []error{
		func() error { _, err := b.Head(t.Context(), "b"); return err }(),
		func() error { _, _, err := b.Get(t.Context(), "b"); return err }(),
		b.Download(t.Context(), "b", filepath.Join(t.TempDir(), "f")),
	} {
		require.Equal(t, caption.KindNotFound, caption.KindOf(err), "%v", err)
		require.Equal(t, "no_such_object", caption.CodeOf(err))
	}
}

// More than a page, 1,000 objects, is listed and deleted.
func TestManyObjects(t *testing.T) {
	b := bucket(t)
	var g errgroup.Group
	g.SetLimit(16)
	for i := range 1003 {
		g.Go(func() error {
			return b.Put(t.Context(), "many/"+strings.Repeat("x", i%7)+caption.NewID(), strings.NewReader("x"), 1, "")
		})
	}
	require.NoError(t, g.Wait())
	put(t, b, "other", []byte("x"))
	require.Len(t, keys(t, b, "many/"), 1003)
	require.NoError(t, b.DeletePrefix(t.Context(), "many/"))
	require.Equal(t, []string{"other"}, keys(t, b, ""))
}

func TestMultipart(t *testing.T) {
	b := bucket(t)
	id, err := b.CreateMultipart(t.Context(), "videos/v", "video/mp4")
	require.NoError(t, err)
	parts, err := b.ListParts(t.Context(), "videos/v", id)
	require.NoError(t, err)
	require.Empty(t, parts)
	first, last := bytes.Repeat([]byte("0123456789abcdef"), 5<<16), []byte("end")
	send := func(number int, body []byte) {
		u, err := b.PresignPart(t.Context(), caption.PartURL{Key: "videos/v", MultipartID: id, Number: number, Size: int64(len(body)), Expires: time.Minute})
		require.NoError(t, err)
		req, err := http.NewRequest(http.MethodPut, u, bytes.NewReader(body))
		require.NoError(t, err)
		resp, err := server.HTTPClient().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	send(2, []byte("instead"))
	send(1, first)
	send(2, last) // The last one counts.
	parts, err = b.ListParts(t.Context(), "videos/v", id)
	require.NoError(t, err)
	require.Len(t, parts, 2)
	require.Equal(t, caption.Part{Number: 2, Size: 3, ETag: parts[1].ETag}, parts[1])
	var open []string
	for m, err := range b.ListMultiparts(t.Context(), "videos/") {
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), m.Started, time.Hour)
		open = append(open, m.Key, m.ID)
	}
	require.Equal(t, []string{"videos/v", id}, open)

	wrong := []caption.Part{parts[0], {Number: 2, ETag: parts[0].ETag}}
	require.Equal(t, "parts_changed", caption.CodeOf(b.CompleteMultipart(t.Context(), "videos/v", id, wrong)))
	require.NoError(t, b.CompleteMultipart(t.Context(), "videos/v", id, parts))
	o, err := b.Head(t.Context(), "videos/v")
	require.NoError(t, err)
	require.EqualValues(t, len(first)+len(last), o.Size)
	require.Equal(t, "video/mp4", o.ContentType)
	_, err = b.ListParts(t.Context(), "videos/v", id)
	require.Equal(t, "no_such_multipart", caption.CodeOf(err))
	require.NoError(t, b.AbortMultipart(t.Context(), "videos/v", id))

	id, err = b.CreateMultipart(t.Context(), "videos/w", "")
	require.NoError(t, err)
	require.NoError(t, b.AbortMultipart(t.Context(), "videos/w", id))
	require.NoError(t, b.AbortMultipart(t.Context(), "videos/w", id))
}

// flaky breaks off its first answers to GET after some bytes, and does something in between.
type flaky struct {
	next    http.Handler
	breaks  atomic.Int32
	after   int
	between func()
	asked   atomic.Int32
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		f.asked.Add(1)
		if f.breaks.Add(-1) >= 0 {
			w = &cutOff{ResponseWriter: w, left: f.after}
			defer f.between()
		}
	}
	f.next.ServeHTTP(w, r)
}

type cutOff struct {
	http.ResponseWriter

	left int
}

func (c *cutOff) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left]) // It is about to break anyway.
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

func (c *cutOff) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func TestDownload(t *testing.T) {
	content := make([]byte, 3<<20)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	for name, c := range map[string]struct {
		breaks  int32
		after   int
		replace bool
		asked   int32
		fails   bool
	}{
		"whole":                     {0, 0, false, 1, false},
		"broken twice":              {2, 1 << 20, false, 3, false},
		"broken without a byte":     {3, 0, false, 4, false},
		"broken for ever":           {100, 0, false, 4, true},
		"replaced while it was off": {1, 1 << 20, true, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			direct := bucket(t)
			put(t, direct, "k", content)
			front := &flaky{next: server.Handler(), after: c.after, between: func() {}}
			if c.replace {
				front.between = func() {
					if err := direct.Put(context.Background(), "k", bytes.NewReader(content[1:]), int64(len(content)-1), ""); err != nil { //nolint:usetesting // It outlives the request.
						t.Error(err)
					}
				}
			}
			front.breaks.Store(c.breaks)
			s := httptest.NewServer(front)
			defer s.Close()
			conf := config()
			conf.Bucket, conf.Endpoint, conf.HTTPClient = direct.Name(), s.URL, s.Client()
			path := filepath.Join(t.TempDir(), "f")
			err := open(t, conf).Download(t.Context(), "k", path)
			require.Equal(t, c.asked, front.asked.Load())
			if c.fails {
				require.Error(t, err)
				require.NoFileExists(t, path)
				return
			}
			require.NoError(t, err)
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(content, got))
		})
	}
}

// TestStalled has connections stand still in the midst of an object: for ever, as nobody says that they are of no use.
func TestStalled(t *testing.T) {
	content := make([]byte, 16<<20) // more than fits into the buffers of a connection
	direct := bucket(t)
	put(t, direct, "k", content)
	end := make(chan struct{})
	var stalls atomic.Int32
	var slow atomic.Bool
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slow.Load() {
			for n := int64(1); n > 0; {
				time.Sleep(500 * time.Millisecond)
				n, _ = io.CopyN(io.Discard, r.Body, 2<<20) // It ends with the body.
			}
			w.Header().Set("ETag", `"e"`)
			return
		}
		if stalls.Add(-1) < 0 {
			server.Handler().ServeHTTP(w, r)
			return
		}
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			w.Header().Set("ETag", `"e"`)
			_, _ = w.Write(content[:1<<20]) // The client may have left.
			_ = http.NewResponseController(w).Flush()
		}
		<-end
	}))
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		// What has been sent has been read, but for little.
		if err := c.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Error(err)
		}
		return ctx
	}
	s.Start()
	defer s.Close()
	defer close(end)
	conf := config()
	conf.Bucket, conf.Endpoint, conf.HTTPClient = direct.Name(), s.URL, nil
	b, hasty := open(t, conf.WithStall(3*time.Second)), open(t, conf.WithStall(300*time.Millisecond)) // what a busy machine keeps, or not

	stalls.Store(1)
	body, size, err := b.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, int64(len(content)), size)
	_, err = io.ReadAll(body)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, body.Close())

	stalls.Store(4)
	err = hasty.Download(t.Context(), "k", filepath.Join(t.TempDir(), "f"))
	require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%v", err)

	stalls.Store(1)
	require.NoError(t, b.Put(t.Context(), "p", bytes.NewReader(content), int64(len(content)), ""))
	stalls.Store(100)
	err = hasty.Put(t.Context(), "p", bytes.NewReader(content), int64(len(content)), "")
	require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%v", err)
	slow.Store(true)
	require.NoError(t, b.Put(t.Context(), "s", bytes.NewReader(content), int64(len(content)), ""), "slower than that in all, but it moves")
	slow.Store(false)

	stalls.Store(0)
	stored, err := b.Head(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, int64(len(content)), stored.Size)
}

func TestDownloadKeepsOtherFiles(t *testing.T) {
	b := bucket(t)
	put(t, b, "k", []byte("new"))
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	require.Equal(t, caption.KindConflict, caption.KindOf(b.Download(t.Context(), "k", path)))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(got))
	require.Error(t, b.Download(t.Context(), "k", filepath.Join(path, "below a file")))
}

func TestDownloadOntoAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	// The file that Download creates cannot be a device, so its writer is what is tested.
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	_, err = blob.DiskWriter(f).Write([]byte("x"))
	require.Equal(t, caption.KindUnavailable, caption.KindOf(err))
	require.Equal(t, "storage_full", caption.CodeOf(err))
}
