package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/telemetry"
)

// fixture is a service with everything around it.
type fixture struct {
	mux    *http.ServeMux
	log    *bytes.Buffer
	reg    *prometheus.Registry
	server *httptest.Server
	served sync.WaitGroup // the server does not wait for hijacked connections
}

func newFixture(t *testing.T, trusted httpapi.Hops) *fixture {
	t.Helper()
	f := &fixture{mux: http.NewServeMux(), log: &bytes.Buffer{}, reg: prometheus.NewPedanticRegistry()}
	log, err := telemetry.NewLogger(f.log, "debug", "json")
	require.NoError(t, err)
	h := httpapi.Wrap(f.mux, httpapi.Options{Service: "test", Logger: log, Registerer: f.reg, Trusted: trusted})
	f.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.served.Add(1)
		defer f.served.Done()
		h.ServeHTTP(w, r)
	}))
	f.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	f.server.Start()
	t.Cleanup(f.server.Close)
	return f
}

// answer is a response that was read.
type answer struct {
	StatusCode int
	Header     http.Header
}

func (f *fixture) do(t *testing.T, method, path string, header ...string) (answer, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.server.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := f.server.Client().Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header}, b
}

// logged ends the server, so that all is written, and returns the lines of the log.
func (f *fixture) logged(t *testing.T) []map[string]any {
	t.Helper()
	f.server.Close()
	f.served.Wait()
	var lines []map[string]any
	for s := bufio.NewScanner(f.log); s.Scan(); {
		var l map[string]any
		require.NoError(t, json.Unmarshal(s.Bytes(), &l))
		lines = append(lines, l)
	}
	return lines
}

// counted returns how many requests were counted, by "route method status".
func (f *fixture) counted(t *testing.T) map[string]uint64 {
	t.Helper()
	f.server.Close()
	families, err := f.reg.Gather()
	require.NoError(t, err)
	counts := map[string]uint64{}
	for _, fam := range families {
		if fam.GetName() != "captions_http_request_duration_seconds" {
			continue
		}
		for _, m := range fam.GetMetric() {
			l := map[string]string{}
			for _, p := range m.GetLabel() {
				l[p.GetName()] = p.GetValue()
			}
			require.Equal(t, "test", l["service"])
			counts[l["route"]+" "+l["method"]+" "+l["status"]] = m.GetHistogram().GetSampleCount()
		}
	}
	return counts
}

func TestARateIsZeroBeforeTheFirstRequest(t *testing.T) {
	require.Equal(t, map[string]uint64{"unmatched GET 4xx": 0}, newFixture(t, nil).counted(t))
}

func TestAccessLogAndMetrics(t *testing.T) {
	f := newFixture(t, nil)
	f.mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, r *http.Request) {
		httpapi.NoteUser(r.Context(), "alice")
		_, _ = io.WriteString(w, "thing")
	})
	f.mux.Handle("POST /fail", httpapi.Handler(func(http.ResponseWriter, *http.Request) error {
		return caption.Errorf(caption.KindConflict, "Not now.")
	}))
	resp, body := f.do(t, "GET", "/things/7?ticket=secret")
	require.Equal(t, "thing", string(body))
	require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	id := resp.Header.Get("X-Request-Id")
	require.True(t, caption.ValidID(id))
	f.do(t, "POST", "/fail")
	f.do(t, "GET", "/nowhere/1")
	f.do(t, "BREW", "/nowhere/2")

	require.Equal(t, map[string]uint64{
		"GET /things/{id} GET 2xx": 1, "POST /fail POST 4xx": 1, "unmatched GET 4xx": 1, "unmatched other 4xx": 1,
	}, f.counted(t))
	require.NotContains(t, f.log.String(), "secret", "queries may hold tickets and signatures")
	l := f.logged(t)[0]
	require.Equal(t, "request", l["msg"])
	require.Equal(t, "test", l["service"])
	require.Equal(t, "GET /things/{id}", l["route"])
	require.Equal(t, "/things/7", l["path"])
	require.InDelta(t, 200, l["status"], 0)
	require.InDelta(t, 5, l["bytes"], 0)
	require.Equal(t, "alice", l["user_id"])
	require.Equal(t, id, l["request_id"])
	require.Contains(t, l, "duration_ms")
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	f := newFixture(t, nil)
	f.mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "our own text", http.StatusNotFound) })
	for _, c := range []struct {
		method, path string
		status       int
		code, detail string
	}{
		{"GET", "/nowhere", 404, "not_found", "There is nothing at this address."},
		{"DELETE", "/things/1", 405, "method_not_allowed", "This address does not take DELETE; it takes GET, HEAD."},
	} {
		resp, body := f.do(t, c.method, c.path)
		require.Equal(t, c.status, resp.StatusCode)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		var p httpapi.Problem
		require.NoError(t, json.Unmarshal(body, &p))
		require.Equal(t, httpapi.Problem{Type: "about:blank", Title: http.StatusText(c.status), Status: c.status, Detail: c.detail,
			Code: c.code, RequestID: resp.Header.Get("X-Request-Id")}, p)
	}
	resp, body := f.do(t, "GET", "/things/1")
	require.Equal(t, 404, resp.StatusCode)
	require.Equal(t, "our own text\n", string(body), "handlers may say what they want")
	resp, _ = f.do(t, "DELETE", "/things/1")
	require.Equal(t, "GET, HEAD", resp.Header.Get("Allow"))
}

func TestPanics(t *testing.T) {
	f := newFixture(t, nil)
	f.mux.HandleFunc("GET /early", func(http.ResponseWriter, *http.Request) { panic("internal detail") })
	f.mux.HandleFunc("GET /late", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half an ans")
		_ = http.NewResponseController(w).Flush()
		panic("internal detail")
	})
	f.mux.HandleFunc("GET /abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	resp, body := f.do(t, "GET", "/early")
	require.Equal(t, 500, resp.StatusCode)
	require.NotContains(t, string(body), "internal detail")
	require.Contains(t, string(body), `"code":"internal"`)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.server.URL+"/late", nil)
	require.NoError(t, err)
	half, err := f.server.Client().Do(req)
	require.NoError(t, err)
	_, err = io.ReadAll(half.Body)
	require.Error(t, err, "half an answer must not look whole")
	require.NoError(t, half.Body.Close())
	req.URL.Path = "/abort"
	_, err = f.server.Client().Do(req) //nolint:bodyclose // It fails.
	require.Error(t, err)

	counts := f.counted(t)
	require.Equal(t, uint64(1), counts["GET /early GET 5xx"])
	require.NotZero(t, counts["GET /abort GET 4xx"], "the client's own going is not an error of ours")
	var panics int
	for _, l := range f.logged(t) {
		if l["msg"] == "panic" {
			panics++
			require.Contains(t, l["stack"], "middleware_test.go")
			require.Contains(t, l, "request_id")
		}
	}
	require.Equal(t, 2, panics)
}

func TestRequestIDs(t *testing.T) {
	for name, c := range map[string]struct {
		trusted httpapi.Hops
		in      string
		kept    bool
	}{
		"from the trusted hop": {httpapi.Loopback(), "0af7651916cd43dd8448eb211c80319c", true},
		"from a stranger":      {nil, "0af7651916cd43dd8448eb211c80319c", false},
		"too short":            {httpapi.Loopback(), "abc", false},
		"too long":             {httpapi.Loopback(), strings.Repeat("a", 65), false},
		"not an id":            {httpapi.Loopback(), "a{b}c<d>e f=g", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, c.trusted)
			f.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, httpapi.RequestID(r.Context())) })
			resp, body := f.do(t, "GET", "/", "X-Request-Id", c.in)
			require.Equal(t, string(body), resp.Header.Get("X-Request-Id"))
			require.Equal(t, c.kept, c.in == string(body))
		})
	}
}

func TestClientAddr(t *testing.T) {
	proxies, err := httpapi.ParseHops("10.0.0.0/8", "192.0.2.7", "2001:db8::/32")
	require.NoError(t, err)
	for _, c := range []struct{ name, peer, forwarded, want string }{
		{"direct", "203.0.113.5:1234", "", "203.0.113.5"},
		{"a stranger's claim", "203.0.113.5:1234", "198.51.100.1", "203.0.113.5"},
		{"one proxy", "10.1.2.3:1234", "198.51.100.1", "198.51.100.1"},
		{"two proxies", "10.1.2.3:1234", "198.51.100.1, 192.0.2.7", "198.51.100.1"},
		{"a claim before the proxies", "10.1.2.3:1234", "6.6.6.6, 198.51.100.1, 192.0.2.7", "198.51.100.1"},
		{"proxies only", "10.1.2.3:1234", "10.9.9.9", "10.9.9.9"},
		{"rubbish", "10.1.2.3:1234", "198.51.100.1, <script>", "10.1.2.3"},
		{"with ports", "[2001:db8::1]:99", "[2001:db9::5]:77", "2001:db9::5"},
		{"mapped", "[::ffff:10.1.2.3]:99", "::ffff:198.51.100.1", "198.51.100.1"},
		{"no address", "@", "198.51.100.1", "invalid IP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got string
			h := httpapi.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = httpapi.ClientAddr(r).String() }),
				httpapi.Options{Service: "test", Trusted: proxies})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.RemoteAddr = c.peer
			r.Header.Set("X-Forwarded-For", c.forwarded)
			h.ServeHTTP(httptest.NewRecorder(), r)
			require.Equal(t, c.want, got)
		})
	}
	_, err = httpapi.ParseHops("10.0.0.0/99")
	require.ErrorContains(t, err, "correct the list of trusted proxies")
}

func FuzzClientAddr(f *testing.F) {
	f.Add("127.0.0.1:80", "1.2.3.4, 5.6.7.8")
	f.Add("[::1%lo]:80", "[::1]:9,,unknown")
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		var got bool
		h := httpapi.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			a := httpapi.ClientAddr(r)
			got = !a.IsValid() || a.Zone() == "" && !a.Is4In6()
		}), httpapi.Options{Service: "test", Trusted: httpapi.Loopback()})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = peer
		r.Header["X-Forwarded-For"] = []string{forwarded}
		h.ServeHTTP(httptest.NewRecorder(), r)
		require.True(t, got)
	})
}

// What handlers find behind the ResponseWriter must survive the middleware.
func TestOptionalInterfaces(t *testing.T) {
	f := newFixture(t, nil)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("x"), 1<<16), 0o600))
	f.mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	f.mux.HandleFunc("GET /flush", func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "flushed")
	})
	f.mux.HandleFunc("GET /hijack", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhijacked")
		_ = c.Close()
	})
	resp, body := f.do(t, "GET", "/file")
	require.Equal(t, 200, resp.StatusCode)
	require.Len(t, body, 1<<16)
	_, body = f.do(t, "GET", "/flush")
	require.Equal(t, "flushed", string(body))
	_, body = f.do(t, "GET", "/hijack")
	require.Equal(t, "hijacked", string(body))
	lines := f.logged(t)
	require.InDelta(t, 1<<16, lines[0]["bytes"], 0)
	require.InDelta(t, 101, lines[2]["status"], 0)

	w := httptest.NewRecorder() // which cannot be hijacked
	var err error
	httpapi.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _, err = w.(http.Hijacker).Hijack()
	}), httpapi.Options{Service: "test"}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	require.ErrorIs(t, err, http.ErrNotSupported)
}

// In one process all services count into one registry.
func TestServicesShareMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	for _, name := range []string{"one", "two"} {
		h := httpapi.Wrap(http.NotFoundHandler(), httpapi.Options{Service: name, Registerer: reg})
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	}
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.Len(t, f.GetMetric(), 2, f.GetName())
	}
}

func TestDrainOutsideOfAServerNeverEnds(t *testing.T) {
	require.NoError(t, httpapi.Drain(t.Context()).Err())
	require.Nil(t, httpapi.Drain(t.Context()).Done())
}

func TestWhoHasLeftIsNoFault(t *testing.T) {
	f := newFixture(t, nil)
	begun := make(chan struct{})
	f.mux.Handle("GET /slow", httpapi.Handler(func(_ http.ResponseWriter, r *http.Request) error {
		close(begun)
		<-r.Context().Done()
		return r.Context().Err()
	}))
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server.URL+"/slow", nil)
	require.NoError(t, err)
	go func() {
		<-begun
		leave()
	}()
	_, err = f.server.Client().Do(req) //nolint:bodyclose // It fails.
	require.ErrorIs(t, err, context.Canceled)
	require.Eventually(t, func() bool { return f.counted(t)["GET /slow GET 4xx"] == 1 }, 10*time.Second, 10*time.Millisecond)
	for _, l := range f.logged(t) {
		require.NotEqual(t, "request failed", l["msg"])
	}
}

func TestWriteErrorHidesInternals(t *testing.T) {
	w := httptest.NewRecorder()
	httpapi.WriteError(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), errors.New("10.0.0.5 refused"))
	require.Equal(t, 500, w.Code)
	require.NotContains(t, w.Body.String(), "10.0.0.5")
}
