package frontend

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// assets is where the build puts files whose names contain a hash of their content.
const assets = "/assets/"

// file is one embedded file, ready to be sent.
type file struct {
	name       string
	plain      []byte
	compressed []byte // by gzip
	header     http.Header
	etag       string
}

func newFile(name string, content []byte, csp string) (*file, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("compress %s: %w", name, err)
	}
	if _, err := z.Write(content); err != nil {
		return nil, fmt.Errorf("compress %s: %w", name, err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress %s: %w", name, err)
	}
	contentType := mime.TypeByExtension(path.Ext(name))
	if path.Ext(name) == ".js" {
		contentType = "text/javascript; charset=utf-8" // The table of the machine may say something else.
	}
	// Browsers ask each time whether a file has changed, so that a new version of the program shows at once. What has a hash
	// in its name never changes.
	caching := "no-cache"
	if strings.HasPrefix("/"+name, assets) {
		caching = "public, max-age=31536000, immutable"
	}
	sum := sha256.Sum256(content)
	return &file{
		name: name, plain: content, compressed: b.Bytes(), etag: hex.EncodeToString(sum[:12]),
		header: http.Header{
			"Content-Type":            {contentType},
			"Content-Security-Policy": {csp},
			"Cache-Control":           {caching},
			"Vary":                    {"Accept-Encoding"},
		},
	}, nil
}

func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, tag := f.choose(w, r)
	w.Header().Set("ETag", tag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(content))
}

// notFound sends the file as the page of an error.
func (f *file) notFound(w http.ResponseWriter, r *http.Request) {
	content, _ := f.choose(w, r)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write(content) // The client is gone when this fails; there is nobody to tell.
}

// choose sets the headers and returns the content in an encoding that the client takes, with its ETag.
func (f *file) choose(w http.ResponseWriter, r *http.Request) (content []byte, etag string) {
	h := w.Header()
	maps.Copy(h, f.header)
	if !acceptsGzip(r.Header.Get("Accept-Encoding")) {
		return f.plain, `"` + f.etag + `"`
	}
	h.Set("Content-Encoding", "gzip")
	return f.compressed, `"` + f.etag + `-gzip"`
}

func acceptsGzip(accept string) bool {
	for one := range strings.SplitSeq(accept, ",") {
		name, quality, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, found := strings.CutPrefix(strings.ReplaceAll(quality, " ", ""), "q=")
			f, err := strconv.ParseFloat(q, 64)
			return !found || err != nil || f > 0
		}
	}
	return false
}
