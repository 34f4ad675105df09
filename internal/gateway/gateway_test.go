package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/events/memevents"
	"k8s-scalers/internal/gateway"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
)

// verifier knows the tokens "alice" and "bob".
type verifier struct{ err error }

func (v verifier) Verify(_ context.Context, token string) (identity.User, error) {
	if v.err != nil {
		return identity.User{}, v.err
	}
	if token == "alice" || token == "bob" {
		return identity.User{ID: token}, nil
	}
	return identity.User{}, caption.Errorf(caption.KindUnauthenticated, "Sign in again.").WithCode("bad_token")
}

// echo is what the test services answer: which one it was, and what it got.
type echo struct {
	Service, Method, Path, Query, Host string
	Header                             http.Header
	Body                               int
}

func service(t *testing.T, name string) *url.URL {
	t.Helper()
	return upstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return // The gateway has given up the request.
		}
		w.Header().Set("X-Request-Id", "the-service's-own")
		w.Header().Set("Content-Security-Policy", "policy of "+name)
		_ = json.NewEncoder(w).Encode(echo{name, r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Host, r.Header, len(b)})
	}))
}

func upstream(t *testing.T, h http.Handler) *url.URL {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u
}

// platform is a gateway with services behind it.
type platform struct {
	t       *testing.T
	gateway *gateway.Gateway
	addr    string // of the gateway
	client  *http.Client
}

func start(t *testing.T, d gateway.Deps) *platform {
	t.Helper()
	if d.Verifier == nil {
		d.Verifier = verifier{}
	}
	if d.Routes == nil {
		d.Routes = gateway.Routes(gateway.Upstreams{
			Auth: service(t, "auth"), Upload: service(t, "upload"), Caption: service(t, "caption"), Frontend: service(t, "frontend"),
			Bucket: "videos", S3: service(t, "s3"), OpenAPI: []byte("openapi: 3.1.0\n"),
		})
	}
	g, err := gateway.New(d)
	require.NoError(t, err)
	s := httptest.NewServer(g.Handler())
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		require.NoError(t, g.Drain(context.WithoutCancel(t.Context())))
		s.Close()
		require.NoError(t, g.Close())
	})
	return &platform{t: t, gateway: g, addr: s.Listener.Addr().String(), client: client}
}

type answer struct {
	status  int
	header  http.Header
	body    []byte
	echo    echo
	problem httpapi.Problem
}

func (p *platform) do(method, target string, body io.Reader, header ...string) answer {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.addr+target, body)
	require.NoError(p.t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := p.client.Do(r)
	require.NoError(p.t, err)
	defer func() { require.NoError(p.t, resp.Body.Close()) }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	switch {
	case resp.Header.Get("Content-Type") == "application/problem+json":
		require.NoError(p.t, json.Unmarshal(a.body, &a.problem))
		require.Equal(p.t, a.status, a.problem.Status)
		require.NotEmpty(p.t, a.problem.Detail)
		require.Equal(p.t, a.header.Get("X-Request-Id"), a.problem.RequestID)
	case bytes.HasPrefix(a.body, []byte(`{"Service"`)):
		require.NoError(p.t, json.Unmarshal(a.body, &a.echo))
	}
	return a
}

const bearer = "Authorization"

func TestRoutesAndWhoMayUseThem(t *testing.T) {
	p := start(t, gateway.Deps{})
	for _, c := range []struct {
		method, path, service string
		public                bool
	}{
		{"POST", "/api/v1/auth/signup", "auth", true},
		{"POST", "/api/v1/auth/login", "auth", true},
		{"POST", "/api/v1/auth/refresh", "auth", true},
		{"POST", "/api/v1/auth/logout", "auth", true},
		{"POST", "/api/v1/auth/validate", "auth", true},
		{"GET", "/api/v1/auth/me", "auth", false},
		{"GET", "/api/v1/auth/login/more", "auth", false},
		{"GET", "/.well-known/jwks.json", "auth", true},
		{"GET", "/api/v1/uploads", "upload", false},
		{"POST", "/api/v1/uploads/abc/parts", "upload", false},
		{"GET", "/api/v1/captions", "caption", false},
		{"GET", "/api/v1/captions/abc", "caption", false},
		{"GET", "/api/v1/captions/abc/events", "caption", false},
		{"GET", "/api/v1/captions/abc/events?ticket=t", "caption", true},
		{"POST", "/api/v1/captions/abc/events/ticket", "caption", false},
		{"GET", "/api/v1/captions/abc?ticket=t", "caption", false},
		{"GET", "/api/v1/uploads?ticket=t", "upload", false},
		{"PUT", "/api/v1/captions/abc/transcript", "caption", false},
		{"GET", "/api/v1/result/abc?format=vtt", "caption", false},
		{"GET", "/videos/abc/source?X-Amz-Signature=00", "s3", true},
		{"GET", "/", "frontend", true},
		{"GET", "/app.js", "frontend", true},
		{"GET", "/videos", "frontend", true},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			a := p.do(c.method, c.path, nil, bearer, "Bearer alice")
			require.Equal(t, 200, a.status)
			require.Equal(t, c.service, a.echo.Service)
			require.Equal(t, "Bearer alice", a.echo.Header.Get(bearer), "services verify for themselves")
			for _, token := range []string{"", "Bearer mallory", "Basic alice", "Bearer"} {
				a := p.do(c.method, c.path, nil, bearer, token)
				if c.public {
					require.Equal(t, 200, a.status)
				} else {
					require.Equal(t, 401, a.status, token)
					require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
				}
			}
		})
	}
	require.Equal(t, 404, p.do("GET", "/api/v2/anything", nil).status)
	require.Equal(t, "not_found", p.do("GET", "/api/v1/nothing", nil).problem.Code)
	require.Equal(t, "openapi: 3.1.0\n", string(p.do("GET", "/api/v1/openapi.yaml", nil).body))
	require.Equal(t, "bad_method", p.do("TRACE", "/api/v1/uploads", nil, bearer, "Bearer alice").problem.Code)
}

// A path that is not clean must not reach a service by a public route and mean something else there.
func TestPathsThatAreNotClean(t *testing.T) {
	p := start(t, gateway.Deps{})
	p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, path := range []string{
		"/api/v1/auth/login/../me", "/api/v1//uploads", "/api/v1/auth/login/%2e%2e/me", "//api/v1/uploads", "/x/../api/v1/uploads",
	} {
		a := p.do("GET", path, nil)
		require.Contains(t, []int{301, 307, 401}, a.status, path)
		require.Empty(t, a.echo.Service, path)
	}
	a := p.do("GET", "/api/v1/captions/a%2F..%2Fb/transcript", nil, bearer, "Bearer alice")
	require.Equal(t, "/api/v1/captions/a%2F..%2Fb/transcript", a.echo.Path)
	a = p.do("GET", "/videos/a//b%2Fc?x=a;b&y=%zz", nil, "Host", "captions.example:8443")
	require.Equal(t, "/videos/a//b%2Fc", a.echo.Path, "object keys pass as they are")
	require.Equal(t, "x=a;b&y=%zz", a.echo.Query)
	require.Equal(t, "captions.example:8443", a.echo.Host, "signatures contain it")
}

func TestHeadersCannotBeForged(t *testing.T) {
	forged := []string{bearer, "Bearer alice", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https",
		"X-Forwarded-Prefix", "/evil", "Forwarded", "for=203.0.113.9", "X-Real-Ip", "203.0.113.9", "X-Request-Id", "forged-request-id", "Traceparent",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate", "a=b", "Baggage", "a=b", "Host", "captions.example"}

	p := start(t, gateway.Deps{})
	a := p.do("GET", "/api/v1/uploads", nil, forged...)
	require.Equal(t, "127.0.0.1", a.echo.Header.Get("X-Forwarded-For"))
	require.Equal(t, "captions.example", a.echo.Header.Get("X-Forwarded-Host"))
	require.Equal(t, "http", a.echo.Header.Get("X-Forwarded-Proto"))
	for _, name := range []string{"X-Forwarded-Prefix", "Traceparent", "Tracestate", "Baggage"} {
		require.NotContains(t, a.echo.Header, name)
	}
	require.NotContains(t, a.echo.Header, "Forwarded")
	require.NotContains(t, a.echo.Header, "X-Real-Ip")
	require.NotEqual(t, "forged-request-id", a.header.Get("X-Request-Id"))
	require.Equal(t, a.header.Values("X-Request-Id"), a.echo.Header.Values("X-Request-Id"))

	// A header that is declared to be for one hop is not forwarded, and cannot remove what the gateway adds.
	a = p.do("GET", "/api/v1/uploads", nil, bearer, "Bearer alice", "Connection", "X-Secret, X-Forwarded-For", "X-Secret", "s")
	require.NotContains(t, a.echo.Header, "X-Secret")
	require.Equal(t, "127.0.0.1", a.echo.Header.Get("X-Forwarded-For"))

	p = start(t, gateway.Deps{Trusted: httpapi.Loopback()})
	a = p.do("GET", "/api/v1/uploads", nil, forged...)
	require.Equal(t, "203.0.113.9", a.echo.Header.Get("X-Forwarded-For"))
	require.Equal(t, "evil.example", a.echo.Header.Get("X-Forwarded-Host"))
	require.Equal(t, "https", a.echo.Header.Get("X-Forwarded-Proto"))
	require.Equal(t, "forged-request-id", a.echo.Header.Get("X-Request-Id"))
}

func TestSecurityHeaders(t *testing.T) {
	p := start(t, gateway.Deps{})
	for path, policy := range map[string]string{
		"/":                  "policy of frontend",
		"/videos/page.html":  "sandbox; default-src 'none'; media-src 'self'",
		"/api/v1/no/such":    "default-src 'none'; frame-ancestors 'none'",
		"/api/v1/auth/login": "policy of auth",
	} {
		a := p.do("GET", path, nil)
		require.Equal(t, []string{policy}, a.header.Values("Content-Security-Policy"), path)
		require.Equal(t, []string{"nosniff"}, a.header.Values("X-Content-Type-Options"), path)
		require.Len(t, a.header.Values("X-Request-Id"), 1, path)
	}
}

// Our server says by this header that it closes the connection after the answer.
func TestTheConnectionIsOurs(t *testing.T) {
	p := start(t, gateway.Deps{})
	rec := httptest.NewRecorder()
	rec.Header().Set("Connection", "close")
	p.gateway.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	require.Equal(t, http.StatusOK, rec.Code)
	require.Equal(t, "close", rec.Header().Get("Connection"))
}

func TestBodyLimits(t *testing.T) {
	p := start(t, gateway.Deps{})
	for _, c := range []struct {
		path  string
		size  int
		small bool
	}{
		{"/api/v1/uploads", gateway.DefaultBodyLimit, true},
		{"/api/v1/uploads", gateway.DefaultBodyLimit + 1, false},
		{"/api/v1/captions/abc/transcript", gateway.TranscriptBodyLimit, true},
		{"/api/v1/captions/abc/transcript", gateway.TranscriptBodyLimit + 1, false},
		{"/videos/abc/source", gateway.TranscriptBodyLimit + 1, true},
	} {
		for name, body := range map[string]io.Reader{
			"announced": bytes.NewReader(make([]byte, c.size)),
			"chunked":   io.LimitReader(zeros{}, int64(c.size)),
		} {
			t.Run(fmt.Sprintf("%s %d %s", c.path, c.size, name), func(t *testing.T) {
				p.t = t
				a := p.do("PUT", c.path, body, bearer, "Bearer alice")
				if c.small {
					require.Equal(t, 200, a.status)
					require.Equal(t, c.size, a.echo.Body)
				} else {
					require.Equal(t, 413, a.status)
					require.Equal(t, "body_too_large", a.problem.Code)
				}
			})
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestServicesThatAreAway(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gone, err := url.Parse("http://" + l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	silent := make(chan struct{})
	hanging := upstream(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silent }))
	t.Cleanup(func() { close(silent) }) // before the server is closed
	hangUp := upstream(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))

	p := start(t, gateway.Deps{
		Timeout: 50 * time.Millisecond,
		Routes: []gateway.Route{
			{Pattern: "/gone/", URL: gone, Stream: true}, {Pattern: "/hanging/", URL: hanging}, {Pattern: "/hangup/", URL: hangUp},
		},
	})
	for path, code := range map[string]string{"/gone/": "upstream_unavailable", "/hanging/": "upstream_timeout", "/hangup/": "upstream_unavailable"} {
		a := p.do("POST", path, strings.NewReader("{}"), bearer, "Bearer alice")
		require.Equal(t, 503, a.status, path)
		require.Equal(t, code, a.problem.Code, path)
		require.NotEmpty(t, a.header.Get("Retry-After"), path)
		require.NotContains(t, a.problem.Detail, "127.0.0.1")
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	}
	a := p.do("GET", "/gone/", nil, bearer, "Bearer alice", "Connection", "Upgrade", "Upgrade", "websocket")
	require.Equal(t, "upstream_unavailable", a.problem.Code)

	p = start(t, gateway.Deps{Verifier: verifier{err: caption.Errorf(caption.KindUnavailable, "Try again.")}})
	require.Equal(t, 503, p.do("GET", "/api/v1/uploads", nil, bearer, "Bearer alice").status)
}

func TestRates(t *testing.T) {
	now := time.Now()
	p := start(t, gateway.Deps{
		Limiter:  memevents.NewLimiter(func() time.Time { return now }),
		UserRate: gateway.Rate{N: 3, Window: time.Minute}, AddressRate: gateway.Rate{N: 5, Window: time.Minute},
	})
	for range 3 {
		require.Equal(t, 200, p.do("GET", "/api/v1/uploads", nil, bearer, "Bearer alice").status)
	}
	a := p.do("GET", "/api/v1/captions", nil, bearer, "Bearer alice")
	require.Equal(t, 429, a.status)
	require.Equal(t, "60", a.header.Get("Retry-After"))
	require.Equal(t, 200, p.do("GET", "/api/v1/uploads", nil, bearer, "Bearer bob").status, "users do not disturb each other")

	// Guesses of tokens count against the address, as do public requests.
	for range 3 {
		require.Equal(t, 401, p.do("GET", "/api/v1/uploads", nil, bearer, "Bearer guess").status)
	}
	for range 2 {
		require.Equal(t, 200, p.do("POST", "/api/v1/auth/login", nil).status)
	}
	require.Equal(t, 429, p.do("POST", "/api/v1/auth/login", nil).status)
	require.Equal(t, 429, p.do("GET", "/api/v1/uploads", nil, bearer, "Bearer guess").status)
	require.Equal(t, 429, p.do("GET", "/api/v1/captions/abc/events?ticket=guess", nil).status)
	require.Equal(t, 200, p.do("GET", "/", nil).status, "the page is free")
	require.Equal(t, 200, p.do("PUT", "/videos/abc", nil).status, "objects are free")

	now = now.Add(2 * time.Minute)
	require.Equal(t, 200, p.do("GET", "/api/v1/uploads", nil, bearer, "Bearer alice").status)
}

type brokenLimiter struct{}

func (brokenLimiter) Allow(context.Context, string, int, time.Duration) (bool, time.Duration, error) {
	return false, 0, fmt.Errorf("no connection")
}

func TestABrokenLimiterLocksNobodyOut(t *testing.T) {
	p := start(t, gateway.Deps{Limiter: brokenLimiter{}})
	require.Equal(t, 200, p.do("GET", "/api/v1/uploads", nil, bearer, "Bearer alice").status)
}

func TestObjectsOfAHandlerInTheProcess(t *testing.T) {
	front := service(t, "frontend")
	p := start(t, gateway.Deps{Routes: gateway.Routes(gateway.Upstreams{Auth: front, Upload: front, Caption: front, Frontend: front, Bucket: "videos",
		S3Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "object "+r.URL.Path)
		})})})
	a := p.do("GET", "/videos/abc", nil)
	require.Equal(t, "object /videos/abc", string(a.body))
	require.Contains(t, a.header.Get("Content-Security-Policy"), "sandbox")
}

func TestRoutesThatCannotBe(t *testing.T) {
	u, err := url.Parse("http://127.0.0.1:1")
	require.NoError(t, err)
	withPath, err := url.Parse("http://127.0.0.1:1/base")
	require.NoError(t, err)
	for name, routes := range map[string][]gateway.Route{
		"neither": {{Pattern: "/"}},
		"both":    {{Pattern: "/", URL: u, Handler: http.NotFoundHandler()}},
		"path":    {{Pattern: "/", URL: withPath}},
		"scheme":  {{Pattern: "/", URL: &url.URL{Scheme: "ftp", Host: "x"}}},
		"twice":   {{Pattern: "/a", URL: u}, {Pattern: "/a", URL: u}},
	} {
		_, err := gateway.New(gateway.Deps{Routes: routes, Verifier: verifier{}})
		require.Error(t, err, name)
	}
}
