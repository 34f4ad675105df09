package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/telemetry"
)

// errDraining is the cause of streams that end because the gateway shuts down.
var errDraining = errors.New("the gateway is draining")

// newTransport returns a transport that keeps many connections to few hosts. It drops idle ones before the services
// do, so that no request is sent into a connection that is being closed.
func newTransport(d *net.Dialer) *http.Transport {
	return &http.Transport{
		DialContext:           d.DialContext,
		MaxIdleConns:          1024,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // Bodies pass as they are.
	}
}

func (g *Gateway) reverseProxy(route Route) http.Handler {
	p := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(route.URL)
			r.Out.Host = r.In.Host // Services compare origins with it, and S3 signatures contain it.
			r.Out.URL.RawQuery = r.In.URL.RawQuery
			r.Out.Header.Del("Connection") // Upgrades are not for this proxy.
			r.Out.Header.Del("Upgrade")
			g.vouch(r.In, r.Out.Header)
		},
		Transport:  g.transport,
		BufferPool: &g.buffers,
		ErrorLog:   slog.NewLogLogger(g.log.Handler(), slog.LevelDebug), // Bodies that were cut off; mostly by clients.
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("X-Request-Id") // The gateway has set it already.
			if route.Objects {
				confine(r.Header)
			}
			httpapi.SecurityHeaders(r.Header)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil && !errors.Is(context.Cause(r.Context()), errDraining) {
				panic(http.ErrAbortHandler) // The client is gone; that is no fault of the service.
			}
			httpapi.SecurityHeaders(w.Header())
			g.upstreamErrors.WithLabelValues(route.Pattern).Inc()
			httpapi.WriteError(w, r, upstreamError(err))
		},
	}
	if route.Objects {
		p.Transport = g.bulk
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The answer's own headers count; ReverseProxy would add them to those that are set.
		id, connection := w.Header().Get("X-Request-Id"), w.Header().Get("Connection")
		clear(w.Header())
		w.Header().Set("X-Request-Id", id)
		if connection != "" { // It is not of the service, but of our server.
			w.Header().Set("Connection", connection)
		}
		p.ServeHTTP(w, r)
	})
}

// confine makes the content of objects harmless: users choose it, and it may come from the origin of the application.
func confine(h http.Header) {
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; media-src 'self'")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("X-Content-Type-Options", "nosniff")
}

// vouch replaces what a client may claim about a request with what is known.
func (g *Gateway) vouch(in *http.Request, out http.Header) {
	host, proto := in.Host, "http"
	if in.TLS != nil {
		proto = "https"
	}
	if g.d.Trusted.Trusts(in) {
		if h := in.Header.Get("X-Forwarded-Host"); h != "" {
			host = h
		}
		if p := in.Header.Get("X-Forwarded-Proto"); p == "http" || p == "https" {
			proto = p
		}
	}
	for name := range out {
		if strings.HasPrefix(name, "X-Forwarded-") || name == "Forwarded" || name == "X-Real-Ip" {
			delete(out, name)
		}
	}
	if a := httpapi.ClientAddr(in); a.IsValid() {
		out.Set("X-Forwarded-For", a.String())
	}
	out.Set("X-Forwarded-Host", host)
	out.Set("X-Forwarded-Proto", proto)
	out.Set("X-Request-Id", httpapi.RequestID(in.Context()))
	for _, name := range []string{"Traceparent", "Tracestate", "Baggage"} {
		out.Del(name)
	}
	if at := telemetry.Traceparent(in.Context()); at != "" {
		out.Set("Traceparent", at)
	}
}

// upstreamError says what became of a request that a service did not answer.
func upstreamError(err error) error {
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(tooBig.Limit)
	}
	message, code := "This part of the service is not reachable at the moment: try again in a few seconds.", "upstream_unavailable"
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		message, code = "This part of the service does not answer at the moment: try again in a few seconds.", "upstream_timeout"
	}
	e := caption.Errorf(caption.KindUnavailable, "%s", message).WithCode(code).WithCause(err)
	e.RetryAfter = 2 * time.Second
	return e
}

// buffers is a pool of buffers for bodies.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(s []byte) { b.pool.Put((*[bufferSize]byte)(s)) }
