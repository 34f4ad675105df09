// Package httpapi holds what every HTTP service of the platform shares: reading and writing JSON, errors as RFC 9457
// problem details, and middleware (request ids, access log, recovery, metrics). Routes and their meaning live
// with their service.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"strconv"

	"k8s-scalers/internal/caption"
)

// Handler is an HTTP handler that returns its error; ServeHTTP renders it with [WriteError].
type Handler func(w http.ResponseWriter, r *http.Request) error

func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h(w, r); err != nil {
		WriteError(w, r, err)
	}
}

// Problem is the body of an error, RFC 9457, with the extension members code and request_id.
type Problem struct {
	Type      string `json:"type"` // "about:blank": title and status say it all
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`               // for the user: what happened and what to do
	Code      string `json:"code"`                 // for programs: Error.Code, or the kind
	RequestID string `json:"request_id,omitempty"` // the X-Request-Id, for support
}

// Status returns the HTTP status of a kind of error.
func Status(k caption.Kind) int {
	switch k {
	case caption.KindInvalid:
		return http.StatusBadRequest
	case caption.KindUnauthenticated:
		return http.StatusUnauthorized
	case caption.KindForbidden:
		return http.StatusForbidden
	case caption.KindNotFound:
		return http.StatusNotFound
	case caption.KindConflict:
		return http.StatusConflict
	case caption.KindPrecondition:
		return http.StatusPreconditionFailed
	case caption.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case caption.KindRateLimited:
		return http.StatusTooManyRequests
	case caption.KindUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// WriteError renders err as problem details. The text of an error that is not a [caption.Error], or is
// [caption.KindInternal], goes to the log and never to the client.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*caption.Error](err)
	if !ok || e.Kind == caption.KindInternal {
		if errors.Is(r.Context().Err(), context.Canceled) {
			w.WriteHeader(statusClientGone) // What was cut short by that is no fault of ours.
			return
		}
		slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		e = caption.Errorf(caption.KindInternal, "Something went wrong on our side. Try again; if it persists, report the request id.")
	} else if e.Err != nil {
		slog.WarnContext(r.Context(), "request refused", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	status := Status(e.Kind)
	p := Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Code: e.Code,
		RequestID: w.Header().Get("X-Request-Id")}
	if p.Code == "" {
		p.Code = string(e.Kind)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	} else if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="captions"`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p) // The client is gone when this fails; there is nobody to tell.
}

// WriteJSON renders v with a status.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("render response: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // The client is gone when this fails; there is nobody to tell.
	return nil
}

// ReadJSON decodes the body, of at most limit bytes, into v. It refuses other content types, unknown fields and
// trailing data, with errors that say what is wrong.
func ReadJSON(r *http.Request, v any, limit int64) error {
	if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/json" {
		return caption.Errorf(caption.KindInvalid, "Send the body as JSON with the header Content-Type: application/json.").WithCode("content_type")
	}
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, limit))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err2 := d.Token(); err2 != io.EOF {
			return caption.Errorf(caption.KindInvalid, "The body has more than one JSON value.").WithCode("bad_json")
		}
		return nil
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return caption.Errorf(caption.KindTooLarge, "The body is larger than %d bytes.", tooBig.Limit).WithCode("body_too_large")
	}
	return caption.Errorf(caption.KindInvalid, "The body is not the JSON that is expected: %s.", jsonFault(err)).WithCode("bad_json")
}

// jsonFault says what is wrong with a body, without Go's type names.
func jsonFault(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("the field %q cannot be a %s", e.Field, e.Value)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("syntax error at byte %d", e.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it is empty or ends too early"
	}
	if s := err.Error(); len(s) > 6 && s[:6] == "json: " {
		return s[6:]
	}
	return "it cannot be read"
}
