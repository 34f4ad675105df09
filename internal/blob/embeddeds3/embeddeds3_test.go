package embeddeds3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/blob/embeddeds3"
	"k8s-scalers/internal/caption"
)

// childDir, in the environment, makes the test binary a server over that folder, to be killed.
const childDir = "EMBEDDEDS3_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		s, err := embeddeds3.New(embeddeds3.Config{Dir: dir})
		if err != nil {
			slog.Error("child", "error", err)
			os.Exit(1)
		}
		go func() { <-s.Ready(); fmt.Println("ready") }()
		slog.Error("child", "error", s.Run(context.Background()))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m,
		// The clock of fasthttp's response headers lives as long as the process; what looks after its workers looks every ten
		// seconds whether it is still wanted.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// start runs a server until the test ends. Only one can run at a time, so tests do not run in parallel.
func start(tb testing.TB, c embeddeds3.Config) *embeddeds3.Server {
	tb.Helper()
	s, _ := startStop(tb, c)
	return s
}

func startStop(tb testing.TB, c embeddeds3.Config) (s *embeddeds3.Server, stop func()) {
	tb.Helper()
	s, err := embeddeds3.New(c)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context())) // It ends in the clean-up, after those of the test.
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(tb, <-ended)
		}
	}
	tb.Cleanup(stop)
	select {
	case <-s.Ready():
	case err := <-ended:
		require.NoError(tb, err)
	}
	return s, stop
}

// open returns a bucket of the server, which exists.
func open(tb testing.TB, s *embeddeds3.Server) *blob.Bucket {
	tb.Helper()
	b, err := blob.Open(tb.Context(), blob.Config{Bucket: "media", Endpoint: embeddeds3.Endpoint, PathStyle: true,
		AccessKey: s.AccessKey(), SecretKey: s.SecretKey(), HTTPClient: s.HTTPClient()})
	require.NoError(tb, err)
	require.NoError(tb, b.Ensure(tb.Context(), "*"))
	return b
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	require.NoError(tb, l.Close())
	return l.Addr().String()
}

func put(tb testing.TB, b *blob.Bucket, key, content string) {
	tb.Helper()
	require.NoError(tb, b.Put(tb.Context(), key, strings.NewReader(content), int64(len(content)), "text/plain"))
}

func content(tb testing.TB, b *blob.Bucket, key string) string {
	tb.Helper()
	body, size, err := b.Get(tb.Context(), key)
	require.NoError(tb, err)
	got, err := io.ReadAll(body)
	require.NoError(tb, err)
	require.NoError(tb, body.Close())
	require.Len(tb, got, int(size))
	return string(got)
}

// beginUpload begins a multipart upload of two parts, and sends them. It returns what its object must have.
func beginUpload(tb testing.TB, b *blob.Bucket, key string) (id, want string) {
	tb.Helper()
	id, err := b.CreateMultipart(tb.Context(), key, "video/mp4")
	require.NoError(tb, err)
	first, second := strings.Repeat("first ", 1<<20), "second"
	return id, first + second
}

func sendParts(tb testing.TB, s *embeddeds3.Server, b *blob.Bucket, key, id, want string) []caption.Part {
	tb.Helper()
	const size = 6 << 20
	for n, data := range []string{want[:size], want[size:]} {
		u, err := b.PresignPart(tb.Context(), caption.PartURL{Key: key, MultipartID: id, Number: n + 1, Size: int64(len(data)), Expires: time.Minute})
		require.NoError(tb, err)
		require.NoError(tb, send(s.HTTPClient(), u, []byte(data)))
	}
	parts, err := b.ListParts(tb.Context(), key, id)
	require.NoError(tb, err)
	require.Len(tb, parts, 2)
	return parts
}

func TestKeepsEverythingOverARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, stop := startStop(t, embeddeds3.Config{Dir: dir})
	b := open(t, s)
	put(t, b, "a/b/one", "content")
	id, want := beginUpload(t, b, "video")
	sendParts(t, s, b, "video", id, want)
	for _, private := range []string{"credentials.json", "s3.sock"} {
		st, err := os.Stat(filepath.Join(dir, private))
		require.NoError(t, err)
		require.EqualValues(t, 0o600, st.Mode().Perm(), private)
	}
	stop()

	again := start(t, embeddeds3.Config{Dir: dir})
	require.Equal(t, s.AccessKey(), again.AccessKey())
	require.Equal(t, s.SecretKey(), again.SecretKey())
	b = open(t, again)
	require.Equal(t, "content", content(t, b, "a/b/one"))
	parts, err := b.ListParts(t.Context(), "video", id)
	require.NoError(t, err)
	require.NoError(t, b.CompleteMultipart(t.Context(), "video", id, parts))
	require.Equal(t, want, content(t, b, "video"))
	o, err := b.Head(t.Context(), "video")
	require.NoError(t, err)
	require.Equal(t, "video/mp4", o.ContentType)
}

func TestSidecarWhereFilesHaveNoAttributes(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "meta"), 0o700)) // as a first start on such a file system leaves it
	s, stop := startStop(t, embeddeds3.Config{Dir: dir})
	b := open(t, s)
	id, want := beginUpload(t, b, "videos/v")
	parts := sendParts(t, s, b, "videos/v", id, want)
	stop()
	s = start(t, embeddeds3.Config{Dir: dir})
	b = open(t, s)
	require.NoError(t, b.CompleteMultipart(t.Context(), "videos/v", id, parts))
	put(t, b, "jobs/j/one", "content")
	require.Equal(t, want, content(t, b, "videos/v"))
	require.Equal(t, "content", content(t, b, "jobs/j/one"))
	o, err := b.Head(t.Context(), "videos/v")
	require.NoError(t, err)
	require.Equal(t, "video/mp4", o.ContentType)
	require.NoError(t, b.DeletePrefix(t.Context(), "jobs/"))
	require.NoError(t, b.Delete(t.Context(), "videos/v"))
	_, err = b.Head(t.Context(), "videos/v")
	require.Equal(t, caption.KindNotFound, caption.KindOf(err))
}

func TestMendsWhatACrashLeaves(t *testing.T) {
	dir := t.TempDir()
	s, stop := startStop(t, embeddeds3.Config{Dir: dir})
	b := open(t, s)
	id, want := beginUpload(t, b, "video")
	parts := sendParts(t, s, b, "video", id, want)
	stop()

	// As if the process had been killed while it made an object of the parts, wrote files, and stored a part of an aborted upload.
	tmp := filepath.Join(dir, "objects", "media", ".sgwtmp")
	found, err := filepath.Glob(filepath.Join(tmp, "multipart", "*", id))
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.NoError(t, os.Rename(found[0], found[0]+".0123456789abcdef-2.inprogress"))
	halves := []string{filepath.Join(tmp, "abc.123"), filepath.Join(filepath.Dir(found[0]), "def.456")}
	for _, half := range halves {
		require.NoError(t, os.WriteFile(half, []byte("half"), 0o600))
	}
	lost := filepath.Join(tmp, "multipart", strings.Repeat("0", 64))
	require.NoError(t, os.MkdirAll(filepath.Join(lost, "upload"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(lost, "upload", "1"), []byte("part"), 0o600))

	s = start(t, embeddeds3.Config{Dir: dir})
	b = open(t, s)
	for _, gone := range append(halves, lost) {
		require.NoFileExists(t, gone)
		require.NoDirExists(t, gone)
	}
	require.NoError(t, b.CompleteMultipart(t.Context(), "video", id, parts))
	require.Equal(t, want, content(t, b, "video"))
}

func TestPowerCutTakesDamagedPartsOnly(t *testing.T) {
	dir := t.TempDir()
	s, stop := startStop(t, embeddeds3.Config{Dir: dir})
	b := open(t, s)
	id, want := beginUpload(t, b, "video")
	parts := sendParts(t, s, b, "video", id, want)
	stop()

	// What a power cut leaves of a part that the kernel had not written yet: the size, but zeros.
	found, err := filepath.Glob(filepath.Join(dir, "objects", "media", ".sgwtmp", "multipart", "*", id, "2"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	f, err := os.OpenFile(found[0], os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.Write(make([]byte, parts[1].Size))
	require.NoError(t, errors.Join(err, f.Close()))

	s, stop = startStop(t, embeddeds3.Config{Dir: dir}) // the same start of the machine: nothing is looked at
	got, err := open(t, s).ListParts(t.Context(), "video", id)
	require.NoError(t, err)
	require.Len(t, got, 2)
	stop()

	require.NoError(t, os.WriteFile(filepath.Join(dir, "boot"), []byte("an earlier start"), 0o600))
	s = start(t, embeddeds3.Config{Dir: dir})
	b = open(t, s)
	got, err = b.ListParts(t.Context(), "video", id)
	require.NoError(t, err)
	require.Equal(t, parts[:1], got)
	parts = sendParts(t, s, b, "video", id, want)
	require.NoError(t, b.CompleteMultipart(t.Context(), "video", id, parts))
	require.Equal(t, want, content(t, b, "video"))
}

func TestStartsAfterKill(t *testing.T) {
	dir := t.TempDir()
	program, err := os.Executable()
	require.NoError(t, err)
	for round := range 3 {
		child := exec.Command(program)
		child.Env = append(os.Environ(), childDir+"="+dir)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		line := make([]byte, 6)
		_, err = io.ReadFull(out, line)
		require.NoError(t, err, "round %d", round)
		require.Equal(t, "ready\n", string(line))
		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())
		require.FileExists(t, filepath.Join(dir, "s3.sock"))
	}
	b := open(t, start(t, embeddeds3.Config{Dir: dir}))
	put(t, b, "k", "content")
	require.Equal(t, "content", content(t, b, "k"))
}

func TestLongPathOfTheDataFolder(t *testing.T) {
	tmp := t.TempDir()
	short, err := os.MkdirTemp("/tmp", "s") //nolint:usetesting // That of the test has too long a path for a socket.
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(short)) })
	t.Setenv("TMPDIR", short)
	dir := filepath.Join(tmp, strings.Repeat("long", 30))
	s, stop := startStop(t, embeddeds3.Config{Dir: dir})
	put(t, open(t, s), "k", "content")
	require.NoFileExists(t, filepath.Join(dir, "s3.sock"))
	stop()
	left, err := os.ReadDir(short)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestRefusesBadSettings(t *testing.T) {
	damaged := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(damaged, "credentials.json"), []byte("{"), 0o600))
	for name, c := range map[string]embeddeds3.Config{
		"relative path":       {Dir: "data"},
		"no secret key":       {Dir: t.TempDir(), AccessKey: "a"},
		"damaged credentials": {Dir: damaged},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := embeddeds3.New(c)
			require.Equal(t, caption.KindInvalid, caption.KindOf(err), "%v", err)
		})
	}
}

func TestRunsOnce(t *testing.T) {
	s, stop := startStop(t, embeddeds3.Config{Dir: t.TempDir()})
	require.Error(t, s.Run(t.Context()))
	stop()
	require.Error(t, s.Run(t.Context()))

	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/media/k", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	_, err := s.HTTPClient().Get(embeddeds3.Endpoint + "/media/k") //nolint:bodyclose // There is no response.
	require.Error(t, err)
}

func TestStopBeforeStart(t *testing.T) {
	s, err := embeddeds3.New(embeddeds3.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, s.Run(ctx))
}

// A part that arrives after its upload was aborted must not stay where nobody finds it.
func TestPartOfAnAbortedUpload(t *testing.T) {
	dir := t.TempDir()
	s := start(t, embeddeds3.Config{Dir: dir})
	b := open(t, s)
	id, err := b.CreateMultipart(t.Context(), "video", "")
	require.NoError(t, err)
	const size = 1 << 20
	u, err := b.PresignPart(t.Context(), caption.PartURL{Key: "video", MultipartID: id, Number: 1, Size: size, Expires: time.Minute})
	require.NoError(t, err)
	body, w := io.Pipe()
	status := make(chan string, 1)
	go func() {
		req, err := http.NewRequest(http.MethodPut, u, body)
		if err != nil {
			status <- err.Error()
			return
		}
		req.ContentLength = size
		resp, err := s.HTTPClient().Do(req)
		if err != nil {
			status <- err.Error()
			return
		}
		_ = resp.Body.Close() // Nothing in it is needed.
		status <- resp.Status
	}()
	half := bytes.Repeat([]byte("x"), size/2)
	_, err = w.Write(half)
	require.NoError(t, err)
	multiparts := filepath.Join(dir, "objects", "media", ".sgwtmp", "multipart")
	require.Eventually(t, func() bool { // the server writes: the file has no name yet, but it has a descriptor
		links, _ := filepath.Glob("/proc/self/fd/*")
		for _, l := range links {
			if to, err := os.Readlink(l); err == nil && strings.HasPrefix(to, multiparts) {
				return true
			}
		}
		return false
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, b.AbortMultipart(t.Context(), "video", id))
	_, err = w.Write(half)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Equal(t, "404 Not Found", <-status)
	left, err := os.ReadDir(multiparts)
	require.NoError(t, err)
	require.Empty(t, left)
}
