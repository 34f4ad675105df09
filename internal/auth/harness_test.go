package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/accounts/sqlaccounts"
	"k8s-scalers/internal/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time that the service sees.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// limiter allows n events in any window that ends now. An event that is refused does not count.
type limiter struct {
	now func() time.Time

	mu     sync.Mutex
	events map[string][]time.Time
	keys   []string // as asked for
	err    error
}

func (l *limiter) Allow(_ context.Context, key string, n int, window time.Duration) (bool, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false, 0, l.err
	}
	l.keys = append(l.keys, key)
	now := l.now()
	recent := l.events[key]
	for len(recent) > 0 && now.Sub(recent[0]) >= window {
		recent = recent[1:]
	}
	if len(recent) >= n {
		return false, window - now.Sub(recent[0]), nil
	}
	if l.events == nil {
		l.events = map[string][]time.Time{}
	}
	l.events[key] = append(recent, now)
	return true, 0, nil
}

// fixture is the real service on a real database and a real listener.
type fixture struct {
	t       *testing.T
	service *auth.Service
	server  *httptest.Server
	store   *sqlaccounts.Store
	clock   *clock
	limiter *limiter
	metrics *prometheus.Registry
	log     *lockedBuffer
}

// cheap is a cost of hashing for tests.
var cheap = auth.Hashing{MemoryKiB: 64, Passes: 1, Lanes: 1, Concurrent: 4}

func newStore(t *testing.T) *sqlaccounts.Store {
	t.Helper()
	store, err := sqlaccounts.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "accounts.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func setup(t *testing.T, change ...func(*auth.Deps)) *fixture {
	t.Helper()
	return replica(t, newStore(t), &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 987654321, time.UTC)}, change...)
}

// replica starts a service on a store that others may use as well.
func replica(t *testing.T, store *sqlaccounts.Store, c *clock, change ...func(*auth.Deps)) *fixture {
	t.Helper()
	f := &fixture{t: t, store: store, clock: c, limiter: &limiter{now: c.now}, metrics: prometheus.NewRegistry(), log: &lockedBuffer{}}
	d := auth.Deps{Accounts: store, Limiter: f.limiter, Passwords: cheap, Now: c.now, Registerer: f.metrics,
		Logger: slog.New(slog.NewTextHandler(f.log, nil))}
	for _, ch := range change {
		ch(&d)
	}
	var err error
	f.service, err = auth.New(d)
	require.NoError(t, err)
	f.server = httptest.NewServer(f.service.Handler())
	t.Cleanup(f.server.Close)
	return f
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (a answer) cookie() *http.Cookie {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == auth.CookieName {
			return c
		}
	}
	return nil
}

func (a answer) text(field string) string { s, _ := a.json[field].(string); return s }

// do sends a request; body is sent as JSON, nil as nothing. Pairs of headers follow.
func (f *fixture) do(method, path string, body any, headers ...string) answer {
	f.t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(f.t, err)
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, r)
	require.NoError(f.t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := f.server.Client().Do(req)
	require.NoError(f.t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(b)}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") {
		require.NoError(f.t, json.Unmarshal(b, &a.json), "%s", b)
	}
	return a
}

type object = map[string]any

func (f *fixture) post(route string, body any, headers ...string) answer {
	f.t.Helper()
	return f.do(http.MethodPost, "/api/v1/auth/"+route, body, headers...)
}

const password = "correct horse battery"

func (f *fixture) signup(email string) answer {
	f.t.Helper()
	a := f.post("signup", object{"email": email, "password": password})
	require.Equal(f.t, http.StatusCreated, a.status, a.body)
	return a
}

func (f *fixture) login(email, password string, headers ...string) answer {
	f.t.Helper()
	return f.post("login", object{"email": email, "password": password}, headers...)
}

func (f *fixture) refresh(token string) answer {
	f.t.Helper()
	return f.post("refresh", object{"refresh_token": token})
}

func (f *fixture) me(token string) answer {
	f.t.Helper()
	return f.do(http.MethodGet, "/api/v1/auth/me", nil, "Authorization", "Bearer "+token)
}

func requireProblem(t *testing.T, a answer, status int, code string) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	require.Equal(t, code, a.json["code"], a.body)
	require.NotEmpty(t, a.json["detail"])
}

// metric returns the value of a counter, with the one label that it may have.
func (f *fixture) metric(name, label string) int {
	f.t.Helper()
	families, err := f.metrics.Gather()
	require.NoError(f.t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if label == "" || m.GetLabel()[0].GetValue() == label {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	require.Fail(f.t, "no such metric", "%s %s", name, label)
	return 0
}

func (f *fixture) hashes() int { return f.metric("captions_auth_password_hashes_total", "") }

// lockedBuffer collects the log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
