// Package frontend serves the web app: files that are embedded in the program, with a policy that lets the page run nothing
// else. It knows no data; the app asks the API for that. The app is made in the folder web, and dist is what its build gives.
package frontend

import (
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
)

//go:embed dist
var dist embed.FS

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

// screens are the addresses at which the app itself answers; it looks at the address and shows the right screen.
var screens = []string{"/{$}", "/videos/{id}", "/videos/{id}/edit"}

// New returns the HTTP interface of the service.
func New(d Deps) (http.Handler, error) {
	csp, err := policy(d.MediaOrigins)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	err = fs.WalkDir(dist, "dist", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := dist.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, "dist/")
		f, err := newFile(name, content, csp)
		if err != nil {
			return err
		}
		if name != "index.html" {
			mux.Handle("GET /"+name, f)
			return nil
		}
		for _, screen := range screens {
			mux.Handle("GET "+screen, f)
		}
		mux.Handle("GET /", elsewhere{f})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read embedded app: %w", err)
	}
	return httpapi.Wrap(mux, httpapi.Options{Service: "frontend", Logger: d.Logger, Registerer: d.Registerer, Now: d.Now, Trusted: d.Trusted}), nil
}

// elsewhere answers at addresses where nothing is. A person who follows a stale link gets the app, which says so; whatever
// asks for a file gets an error, because a page in its place would be taken for the file.
type elsewhere struct{ app *file }

func (e elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") || strings.HasPrefix(r.URL.Path, assets) {
		httpapi.Handler(func(http.ResponseWriter, *http.Request) error {
			return caption.Errorf(caption.KindNotFound, "There is nothing at this address.")
		}).ServeHTTP(w, r)
		return
	}
	e.app.notFound(w, r)
}

// policy is the Content-Security-Policy of the app. There is no unsafe-inline in it.
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
