package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/telemetry"
)

// Options are what [Wrap] needs to know of a service. Only Service is required.
type Options struct {
	Service    string // label of logs and metrics
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
	// Trusted are the hops before the service; none are trusted by default.
	Trusted Hops
}

// Wrap surrounds the routes of a service, best given as their [http.ServeMux] itself, with what every service does:
// request ids, the access log, metrics by route, security headers, recovery from panics, and problem details for
// unknown paths and methods.
func Wrap(h http.Handler, o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &wrapper{next: h, o: o, log: o.Logger.With("service", o.Service), metrics: newMetrics(o.Registerer, o.Service)}
}

// statusClientGone is what logs and metrics show where the client left before there was an answer.
const statusClientGone = 499

type wrapper struct {
	next    http.Handler
	o       Options
	log     *slog.Logger
	metrics metrics
}

// facts are what is learnt about a request on its way, for those outside who log it and those inside who ask.
type facts struct {
	id     string
	client netip.Addr
	route  string
	user   string
}

type factsKey struct{}

func factsOf(ctx context.Context) *facts {
	if f, ok := ctx.Value(factsKey{}).(*facts); ok {
		return f
	}
	return &facts{}
}

// RequestID returns the id of the request of ctx, or "".
func RequestID(ctx context.Context) string { return factsOf(ctx).id }

// NoteUser tells the access log who makes the request of ctx.
func NoteUser(ctx context.Context, userID string) { factsOf(ctx).user = userID }

// NoteRoute tells access log and metrics the route of the request of ctx, where no ServeMux does.
func NoteRoute(ctx context.Context, pattern string) { factsOf(ctx).route = pattern }

// ClientAddr returns the address of the client, as far as the trusted hops know it. It is invalid where there is
// none, as on a Unix socket.
func ClientAddr(r *http.Request) netip.Addr {
	if f, ok := r.Context().Value(factsKey{}).(*facts); ok {
		return f.client
	}
	return parseAddr(r.RemoteAddr)
}

func (m *wrapper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := m.o.Now()
	f := &facts{client: m.o.Trusted.client(r)}
	ctx := context.WithValue(r.Context(), factsKey{}, f)
	trusted := m.o.Trusted.Trusts(r)
	if id := r.Header.Get("X-Request-Id"); saneID(id) && trusted {
		f.id = id
	} else {
		f.id = caption.NewID()
	}
	if trusted { // Strangers neither join our traces nor decide which are kept.
		ctx = telemetry.WithTraceparent(ctx, r.Header.Get("Traceparent"))
	}
	ctx, span := telemetry.Span(telemetry.WithAttrs(ctx, slog.String("request_id", f.id)), m.o.Service, trace.SpanKindServer)
	r = r.WithContext(ctx)
	w.Header().Set("X-Request-Id", f.id)
	SecurityHeaders(w.Header())

	rec := &recorder{ResponseWriter: w, r: r, facts: f}
	m.metrics.inFlight.Inc()
	defer func() {
		fault := recover()
		abort, _ := fault.(error)
		aborted := errors.Is(abort, http.ErrAbortHandler)
		if fault != nil && !aborted {
			m.log.ErrorContext(r.Context(), "panic", "panic", fault, "stack", string(debug.Stack()))
			if rec.status == 0 {
				writeProblem(rec, http.StatusInternalServerError, string(caption.KindInternal),
					"Something went wrong on our side. Try again; if it persists, report the request id.")
				fault = nil
			} else {
				fault = http.ErrAbortHandler // The server ends the connection, so that half a response is not taken for a whole one.
			}
		}
		if aborted && rec.status == 0 {
			rec.status = statusClientGone
		}
		m.metrics.inFlight.Dec()
		m.report(r, rec, m.o.Now().Sub(start))
		endSpan(span, r, rec)
		if fault != nil {
			panic(fault)
		}
	}()
	m.next.ServeHTTP(rec, r)
}

// report logs and counts a request that has ended. The query stays out of it, because it may hold tickets and signatures.
func (m *wrapper) report(r *http.Request, rec *recorder, took time.Duration) {
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	route := rec.route()
	m.metrics.observe(route, r.Method, status, took)
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("route", route),
		slog.Int("status", status), slog.Int64("bytes", rec.bytes), slog.Float64("duration_ms", float64(took.Microseconds())/1000),
	}
	if rec.facts.user != "" {
		attrs = append(attrs, slog.String("user_id", rec.facts.user))
	}
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelWarn
	}
	m.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// endSpan says in OpenTelemetry's words what report logs; no path, as that has ids, and no query, as that has tickets.
func endSpan(span trace.Span, r *http.Request, rec *recorder) {
	if span.IsRecording() {
		status := rec.status
		if status == 0 {
			status = http.StatusOK
		}
		route := rec.route()
		name := route
		if !strings.HasPrefix(name, r.Method+" ") {
			name = r.Method + " " + name
		}
		span.SetName(name)
		span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", route),
			attribute.Int("http.response.status_code", status), attribute.String("captions.request_id", rec.facts.id))
		if status >= 500 {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}

// SecurityHeaders sets the headers that tell browsers to do no more with a response than it is meant for. Those that are set already
// stay: a page brings a Content-Security-Policy of its own.
func SecurityHeaders(h http.Header) {
	for _, kv := range [...][2]string{
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "no-referrer"},
		{"X-Frame-Options", "DENY"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
	} {
		if h.Get(kv[0]) == "" {
			h.Set(kv[0], kv[1])
		}
	}
}

// saneID tells whether s can be a request id of ours or of a usual load balancer; nothing else gets into logs.
func saneID(s string) bool {
	if len(s) < 8 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}
