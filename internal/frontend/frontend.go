// Package frontend serves the web page: files that are embedded in the program, with a policy that lets the page run nothing
// else. It knows no data; the page asks the API for that.
package frontend

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
)

//go:embed page
var page embed.FS

// Deps are what the service needs. All of them are optional.
type Deps struct {
	// MediaOrigins are the origins other than the page's own from which videos come and to which uploads go, such as
	// https://bucket.s3.eu-central-1.amazonaws.com.
	MediaOrigins []string

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
	Trusted    httpapi.Hops
}

// New returns the HTTP interface of the service.
func New(d Deps) (http.Handler, error) {
	csp, err := policy(d.MediaOrigins)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	files, err := fs.ReadDir(page, "page")
	if err != nil {
		return nil, fmt.Errorf("read embedded page: %w", err)
	}
	for _, f := range files {
		content, err := page.ReadFile(path.Join("page", f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read embedded page: %w", err)
		}
		pattern := "GET /" + f.Name()
		if f.Name() == "index.html" {
			pattern = "GET /{$}"
		}
		mux.Handle(pattern, file(f.Name(), content, csp))
	}
	return httpapi.Wrap(mux, httpapi.Options{Service: "frontend", Logger: d.Logger, Registerer: d.Registerer, Now: d.Now, Trusted: d.Trusted}), nil
}

// file serves one file. Browsers ask each time whether it has changed, so that a new version of the program shows at once.
func file(name string, content []byte, csp string) http.Handler {
	sum := sha256.Sum256(content)
	etag := `"` + hex.EncodeToString(sum[:12]) + `"`
	contentType := mime.TypeByExtension(path.Ext(name))
	if path.Ext(name) == ".js" {
		contentType = "text/javascript; charset=utf-8" // The table of the machine may say something else.
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Content-Security-Policy", csp)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", etag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	})
}

// policy is the Content-Security-Policy of the page. There is no unsafe-inline in it.
func policy(mediaOrigins []string) (string, error) {
	for _, o := range mediaOrigins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || o != u.Scheme+"://"+u.Host || strings.ContainsAny(o, "; ,'") {
			return "", caption.Errorf(caption.KindInvalid, "%q is not an origin: give one such as https://bucket.example.com, without a path.", o)
		}
	}
	also := strings.Join(append([]string{""}, mediaOrigins...), " ")
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'" + also +
		"; media-src 'self' blob:" + also + "; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", nil
}
