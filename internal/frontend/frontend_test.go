package frontend_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/frontend"
)

// answer is a response that was read.
type answer struct {
	StatusCode int
	Header     http.Header
}

func serve(t *testing.T, d frontend.Deps) func(path string, header ...string) (answer, string) {
	t.Helper()
	h, err := frontend.New(d)
	require.NoError(t, err)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return func(path string, header ...string) (answer, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := s.Client().Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return answer{resp.StatusCode, resp.Header}, string(b)
	}
}

// asset finds the address of a file of the build in the page.
func asset(t *testing.T, html, ext string) string {
	t.Helper()
	m := regexp.MustCompile(`"(/assets/[^"]+\.` + ext + `)"`).FindStringSubmatch(html)
	require.NotNil(t, m, "the page names no %s file", ext)
	return m[1]
}

func TestFiles(t *testing.T) {
	get := serve(t, frontend.Deps{})
	_, html := get("/")
	for path, want := range map[string]struct{ contentType, caching string }{
		"/":                   {"text/html; charset=utf-8", "no-cache"},
		"/theme.js":           {"text/javascript; charset=utf-8", "no-cache"},
		"/icon.svg":           {"image/svg+xml", "no-cache"},
		asset(t, html, "js"):  {"text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		asset(t, html, "css"): {"text/css; charset=utf-8", "public, max-age=31536000, immutable"},
	} {
		resp, body := get(path)
		require.Equal(t, 200, resp.StatusCode, path)
		require.Equal(t, want.contentType, resp.Header.Get("Content-Type"), path)
		require.Equal(t, want.caching, resp.Header.Get("Cache-Control"), path)
		require.NotEmpty(t, body, path)
		require.NotContains(t, resp.Header.Get("Content-Security-Policy"), "unsafe")
		resp, body = get(path, "If-None-Match", resp.Header.Get("ETag"))
		require.Equal(t, 304, resp.StatusCode, path)
		require.Empty(t, body, path)
	}
}

func TestScreens(t *testing.T) {
	get := serve(t, frontend.Deps{})
	_, html := get("/")
	for _, path := range []string{"/videos/gq3fwx4vdyo2tbs6rlk7mzeahc", "/videos/gq3fwx4vdyo2tbs6rlk7mzeahc/edit", "/?q=fox"} {
		resp, body := get(path)
		require.Equal(t, 200, resp.StatusCode, path)
		require.Equal(t, html, body, path)
	}
}

func TestNothingThere(t *testing.T) {
	get := serve(t, frontend.Deps{})
	_, html := get("/")
	for _, path := range []string{"/index.html", "/dist/index.html", "/frontend.go", "/assets/", "/assets/index-00000000.js", "/videos/x/y/z", "/nothing"} {
		resp, body := get(path)
		require.Equal(t, 404, resp.StatusCode, path)
		require.Contains(t, body, `"code":"not_found"`)
	}
	resp, body := get("/nothing", "Accept", "text/html,application/xhtml+xml")
	require.Equal(t, 404, resp.StatusCode)
	require.Equal(t, html, body)
	require.NotEmpty(t, resp.Header.Get("Content-Security-Policy"))
	resp, body = get("/assets/old.js", "Accept", "text/html")
	require.Equal(t, 404, resp.StatusCode)
	require.Contains(t, body, `"code":"not_found"`, "a page in place of a script would be run as one")
}

func TestCompression(t *testing.T) {
	get := serve(t, frontend.Deps{})
	_, html := get("/", "Accept-Encoding", "identity")
	path := asset(t, html, "js")
	plain, whole := get(path, "Accept-Encoding", "br, gzip;q=0")
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	small, packed := get(path, "Accept-Encoding", "br, gzip;q=0.8")
	require.Equal(t, "gzip", small.Header.Get("Content-Encoding"))
	require.Equal(t, "Accept-Encoding", small.Header.Get("Vary"))
	require.NotEqual(t, plain.Header.Get("ETag"), small.Header.Get("ETag"))
	z, err := gzip.NewReader(strings.NewReader(packed))
	require.NoError(t, err)
	unpacked, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, whole, string(unpacked))
}

// The policy forbids inline code and style; the app would not work with any.
func TestAppFulfilsItsPolicy(t *testing.T) {
	_, body := serve(t, frontend.Deps{})("/")
	require.NotRegexp(t, `(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?:\s[^>]*)?>[^<]`, body)
	require.NotRegexp(t, `(?:src|href)="(?:https?:)?//`, body, "everything comes from the own origin")
}

func TestMediaOrigins(t *testing.T) {
	resp, _ := serve(t, frontend.Deps{MediaOrigins: []string{"https://videos.example"}})("/")
	csp := resp.Header.Get("Content-Security-Policy")
	require.Contains(t, csp, "connect-src 'self' https://videos.example;")
	require.Contains(t, csp, "media-src 'self' blob: https://videos.example;")

	for _, origin := range []string{"", "*", "videos.example", "https://videos.example/path", "javascript:x", "https://a.example; script-src *", "https://a b"} {
		_, err := frontend.New(frontend.Deps{MediaOrigins: []string{origin}})
		require.ErrorContains(t, err, "is not an origin", origin)
	}
}
