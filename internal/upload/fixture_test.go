package upload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/blob/embeddeds3"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
	"k8s-scalers/internal/store/sqlitestore"
	"k8s-scalers/internal/upload"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The clock of fasthttp's response headers lives as long as the process; what looks after its workers looks every ten
		// seconds whether it is still wanted.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// partSize is the smallest part that S3 takes, except for the last one.
const partSize = 5 << 20

// names verifies tokens that are the names of users.
type names struct{}

func (names) Verify(_ context.Context, token string) (identity.User, error) {
	if token == "bad" {
		return identity.User{}, caption.Errorf(caption.KindUnauthenticated, "no")
	}
	return identity.User{ID: token, Email: token + "@example.org"}, nil
}

// fixture is upload-service with the real storage and the real store behind one entry, as in a deployment in one process.
type fixture struct {
	dir    string
	now    atomic.Int64 // seconds that the clock of the service is ahead
	limits upload.Limits
	videos caption.Videos
	wrap   func(upload.Bucket) upload.Bucket

	storage *embeddeds3.Server
	bucket  *blob.Bucket
	service *upload.Service
	entry   *httptest.Server
	stop    func()
}

func newFixture(t *testing.T, change ...func(*fixture)) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir()}
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: filepath.Join(f.dir, "store.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	f.videos = store
	for _, c := range change {
		c(f)
	}
	f.start(t)
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *fixture) clock() time.Time { return time.Now().Add(time.Duration(f.now.Load()) * time.Second) }

// pass moves the clock of the service.
func (f *fixture) pass(d time.Duration) { f.now.Add(int64(d / time.Second)) }

// start starts storage and service over the folder, again if need be.
func (f *fixture) start(t *testing.T) {
	t.Helper()
	var err error
	f.storage, err = embeddeds3.New(embeddeds3.Config{Dir: filepath.Join(f.dir, "storage")})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- f.storage.Run(ctx) }()
	f.bucket, err = blob.Open(t.Context(), blob.Config{Bucket: "media", Endpoint: embeddeds3.Endpoint, PathStyle: true,
		AccessKey: f.storage.AccessKey(), SecretKey: f.storage.SecretKey(), HTTPClient: f.storage.HTTPClient()})
	require.NoError(t, err)
	require.NoError(t, f.bucket.Ensure(t.Context(), "*"))
	var bucket upload.Bucket = f.bucket
	if f.wrap != nil {
		bucket = f.wrap(bucket)
	}
	f.service = upload.New(upload.Deps{Videos: f.videos, Bucket: bucket, Verifier: names{}, Limits: f.limits, PartSize: partSize, Now: f.clock})
	mux := http.NewServeMux()
	mux.Handle("/media/", f.storage.Handler())
	mux.Handle("/", f.service.Handler())
	f.entry = httptest.NewServer(mux)
	f.stop = func() {
		f.entry.Close()
		cancel()
		require.NoError(t, <-ended)
		f.stop = func() {}
	}
}

// answer is what the service said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) problem(t *testing.T) httpapi.Problem {
	t.Helper()
	var p httpapi.Problem
	require.NoError(t, json.Unmarshal(a.body, &p), "%s", a.body)
	require.Equal(t, a.status, p.Status)
	require.NotEmpty(t, p.Detail)
	return p
}

func (a answer) upload(t *testing.T) uploaded {
	t.Helper()
	require.Less(t, a.status, 300, "%s", a.body)
	var u uploaded
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&u), "%s", a.body)
	return u
}

// uploaded is an upload as a client reads it.
type uploaded struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Size        int64     `json:"size"`
	State       string    `json:"state"`
	PartSize    int64     `json:"part_size"`
	PartCount   int       `json:"part_count"`
	CreatedAt   time.Time `json:"created_at"`
	Fingerprint string    `json:"fingerprint"`
	Parts       []struct {
		Number int   `json:"number"`
		Size   int64 `json:"size"`
	} `json:"parts"`
	MediaURL       string    `json:"media_url"`
	MediaExpiresAt time.Time `json:"media_expires_at"`
}

// ask makes a request as a user; a string body is sent as it is, anything else as JSON.
func (f *fixture) ask(t *testing.T, user, method, path string, body any) answer {
	t.Helper()
	var r io.Reader
	if s, ok := body.(string); ok {
		r = strings.NewReader(s)
	} else if body != nil {
		b, err := json.Marshal(body)
		require.NoError(t, err)
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, f.entry.URL+"/api/v1/uploads"+path, r)
	require.NoError(t, err)
	if user != "" {
		req.Header.Set("Authorization", "Bearer "+user)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := f.entry.Client().Do(req)
	require.NoError(t, err)
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return answer{resp.StatusCode, resp.Header, got}
}

func (f *fixture) create(t *testing.T, user, name string, size int64) uploaded {
	t.Helper()
	a := f.ask(t, user, http.MethodPost, "", map[string]any{"name": name, "size": size})
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	return a.upload(t)
}

// sign returns the address of one part.
func (f *fixture) sign(t *testing.T, user, id string, number int) string {
	t.Helper()
	a := f.ask(t, user, http.MethodPost, "/"+id+"/parts", map[string]any{"numbers": []int{number}})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	var out struct {
		Parts []struct{ URL string }
	}
	require.NoError(t, json.Unmarshal(a.body, &out))
	require.Len(t, out.Parts, 1)
	return out.Parts[0].URL
}

// put sends a body to an address; status 0 means that the connection was reset, as servers do to bodies that they do not want.
func put(t *testing.T, address, method string, body []byte) (status int, text string) {
	t.Helper()
	req, err := http.NewRequest(method, address, bytes.NewReader(body))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, string(b)
}

// content is what the parts of a test file hold.
func content(size int64) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i>>16) ^ byte(i)
	}
	return b
}

func partOf(all []byte, number int) []byte {
	from := (number - 1) * partSize
	return all[from:min(len(all), from+partSize)]
}

// sendAll sends the given parts of a file.
func (f *fixture) sendAll(t *testing.T, user, id string, all []byte, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		status, text := put(t, f.sign(t, user, id, n), http.MethodPut, partOf(all, n))
		require.Equal(t, http.StatusOK, status, text)
	}
}

// complete is an upload of a small file, done.
func (f *fixture) complete(t *testing.T, user string, size int64) uploaded {
	t.Helper()
	u := f.create(t, user, "clip.mp4", size)
	f.sendAll(t, user, u.ID, content(size), 1)
	a := f.ask(t, user, http.MethodPost, "/"+u.ID+"/complete", struct{}{})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	return a.upload(t)
}

// multiparts are the uploads that the bucket knows.
func (f *fixture) multiparts(t *testing.T) []string {
	t.Helper()
	var keys []string
	for m, err := range f.bucket.ListMultiparts(t.Context(), caption.VideoPrefix) {
		require.NoError(t, err)
		keys = append(keys, m.Key)
	}
	return keys
}

// sweep runs the sweep once.
func (f *fixture) sweep(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	swept := &endOfSweep{Bucket: f.bucket, done: cancel}
	if f.wrap != nil {
		swept.Bucket = f.wrap(f.bucket)
	}
	s := upload.New(upload.Deps{Videos: f.videos, Bucket: swept, Verifier: names{}, Now: f.clock, SweepEvery: time.Hour})
	require.NoError(t, s.Run(ctx))
}

// backdate makes the uploads in the bucket old.
func (f *fixture) backdate(t *testing.T) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(f.dir, "storage", "objects", "media", ".sgwtmp", "multipart", "*", "*"))
	require.NoError(t, err)
	old := time.Now().Add(-72 * time.Hour)
	for _, dir := range found {
		require.NoError(t, os.Chtimes(dir, old, old))
	}
}
