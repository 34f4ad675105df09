package httpapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// recorder remembers what became of a response, and turns the plain-text errors of ServeMux into problem details.
type recorder struct {
	http.ResponseWriter
	r       *http.Request // the very request that the ServeMux gets, for it notes the pattern there
	facts   *facts
	status  int // 0 before the header is written
	bytes   int64
	swallow bool // the body was replaced
}

// unmatched is the route of requests that match none.
const unmatched = "unmatched"

// route is the pattern that the request matched, or [unmatched].
func (w *recorder) route() string {
	switch {
	case w.facts.route != "":
		return w.facts.route
	case w.r.Pattern != "":
		return w.r.Pattern
	}
	return unmatched
}

func (w *recorder) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.status = status
	}
	if (status == http.StatusNotFound || status == http.StatusMethodNotAllowed) && w.route() == unmatched &&
		strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		w.swallow = true
		code, detail := "not_found", "There is nothing at this address."
		if status == http.StatusMethodNotAllowed {
			code, detail = "method_not_allowed", fmt.Sprintf("This address does not take %s; it takes %s.", w.r.Method, w.Header().Get("Allow"))
		}
		writeProblem(w.ResponseWriter, status, code, detail)
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.swallow {
		return len(b), nil
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err //nolint:wrapcheck // The contract of io.Writer: handlers compare this error.
}

// ReadFrom keeps sendfile working for handlers that copy from a file.
func (w *recorder) ReadFrom(src io.Reader) (int64, error) {
	w.WriteHeader(http.StatusOK)
	if w.swallow {
		return io.Copy(io.Discard, src) //nolint:wrapcheck // as in Write
	}
	n, err := io.Copy(w.ResponseWriter, src)
	w.bytes += n
	return n, err //nolint:wrapcheck // as in Write
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for those that ask for an http.Flusher.
func (w *recorder) Flush() {
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w.ResponseWriter).Flush() // An http.Flusher has no way to say that it cannot.
}

// Hijack is for those that ask for an http.Hijacker.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over connection: %w", err)
	}
	if w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return c, rw, nil
}

// writeProblem renders problem details for what has no kind of error: faults of HTTP itself.
func writeProblem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Del("Content-Length")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(Problem{Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: detail, Code: code, RequestID: w.Header().Get("X-Request-Id")}) // The client is gone when this fails.
}
