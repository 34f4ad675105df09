package frontend_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
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

func TestPage(t *testing.T) {
	get := serve(t, frontend.Deps{})
	for path, contentType := range map[string]string{
		"/": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8", "/style.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml",
	} {
		resp, body := get(path)
		require.Equal(t, 200, resp.StatusCode, path)
		require.Equal(t, contentType, resp.Header.Get("Content-Type"), path)
		require.NotEmpty(t, body, path)
		require.NotContains(t, resp.Header.Get("Content-Security-Policy"), "unsafe")
		resp, body = get(path, "If-None-Match", resp.Header.Get("ETag"))
		require.Equal(t, 304, resp.StatusCode, path)
		require.Empty(t, body, path)
	}
	for _, path := range []string{"/index.html", "/page/app.js", "/frontend.go", "/nothing"} {
		resp, body := get(path)
		require.Equal(t, 404, resp.StatusCode, path)
		require.Contains(t, body, `"code":"not_found"`)
	}
}

// The policy forbids inline code and style; the page would not work with any.
func TestPageFulfilsItsPolicy(t *testing.T) {
	_, body := serve(t, frontend.Deps{})("/")
	require.NotRegexp(t, `(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?:\s[^>]*)?>[^<]`, body)
}

// Every element that the script looks up exists in the page.
func TestScriptAndPageBelongTogether(t *testing.T) {
	get := serve(t, frontend.Deps{})
	_, html := get("/")
	_, script := get("/app.js")
	ids := regexp.MustCompile(`\$\('([a-z-]+)'\)`).FindAllStringSubmatch(script, -1)
	require.NotEmpty(t, ids)
	for _, id := range ids {
		require.Contains(t, html, `id="`+id[1]+`"`)
	}
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
