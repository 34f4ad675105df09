// Package gateway is the one entry to the platform: it routes requests to the services, verifies tokens before they do,
// limits rates, sizes and open streams, says who asks for what in headers that nobody can forge, and proxies
// WebSockets cheaply. What an address means is up to the service behind it.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
	"k8s-scalers/internal/telemetry"
)

// Rate is how often something may happen. A negative N means any number.
type Rate struct {
	N      int
	Window time.Duration
}

// Deps are what a gateway needs. Routes and Verifier are required; zero values of the rest mean the default.
type Deps struct {
	Routes   []Route // see [Routes]
	Verifier identity.Verifier
	Limiter  caption.Limiter // nil: rates are not limited

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
	// Trusted are the proxies before the gateway, whose X-Forwarded headers and request ids are believed. Default: none.
	Trusted httpapi.Hops

	UserRate    Rate // of requests with a token; default 1200 a minute
	AddressRate Rate // of an address, for requests without a token; default 300 a minute
	// StreamsPerUser and StreamsPerAddress limit the open WebSockets; the second one those that were opened with a
	// ticket, whose user only the service knows. Defaults 50 and 500.
	StreamsPerUser    int
	StreamsPerAddress int
	// StreamIdle is how long a WebSocket may be silent in both directions. Default 2 minutes.
	StreamIdle time.Duration
	// Timeout is how long a service may take to begin its answer. Default 1 minute.
	Timeout time.Duration
}

// Gateway is the service.
type Gateway struct {
	d       Deps
	log     *slog.Logger
	handler http.Handler
	objects []*endpoint // tried before the mux, which would redirect some valid object keys

	dialer    net.Dialer
	transport *http.Transport // for services
	bulk      *http.Transport // for objects: an answer may take long
	buffers   buffers
	tunnels   *tunnels

	upstreamErrors *prometheus.CounterVec
	limiterErrors  prometheus.Counter
}

// New returns a gateway. It fails on routes that contradict each other.
func New(d Deps) (g *Gateway, err error) {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	defaultTo(&d.UserRate, Rate{1200, time.Minute})
	defaultTo(&d.AddressRate, Rate{300, time.Minute})
	defaultTo(&d.StreamsPerUser, 50)
	defaultTo(&d.StreamsPerAddress, 500)
	defaultTo(&d.StreamIdle, 2*time.Minute)
	defaultTo(&d.Timeout, time.Minute)
	g = &Gateway{d: d, log: d.Logger, dialer: net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}}
	g.transport = newTransport(&g.dialer)
	g.transport.ResponseHeaderTimeout = d.Timeout
	g.bulk = newTransport(&g.dialer)
	g.tunnels = newTunnels(telemetry.Register(d.Registerer, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "captions_gateway_websockets", Help: "WebSockets that are being proxied.",
	})))
	g.upstreamErrors = telemetry.Register(d.Registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "captions_gateway_upstream_errors_total", Help: "Requests that got no answer from the service behind a route.",
	}, []string{"route"}))
	g.limiterErrors = telemetry.Register(d.Registerer, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "captions_gateway_limiter_errors_total", Help: "Requests that were let through because the rate limiter did not answer.",
	}))

	defer func() { // ServeMux panics on patterns that contradict each other.
		if v := recover(); v != nil {
			g, err = nil, fmt.Errorf("routes of the gateway: %v", v)
		}
	}()
	mux := http.NewServeMux()
	for _, r := range d.Routes {
		e, err := g.endpoint(r)
		if err != nil {
			return nil, err
		}
		if r.Objects {
			g.objects = append(g.objects, e)
		} else {
			mux.Handle(r.Pattern, httpapi.Handler(e.serve))
		}
	}
	g.handler = httpapi.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, e := range g.objects {
			if strings.HasPrefix(r.URL.Path, e.Pattern) {
				httpapi.NoteRoute(r.Context(), e.Pattern)
				httpapi.Handler(e.serve).ServeHTTP(w, r)
				return
			}
		}
		mux.ServeHTTP(w, r)
	}), httpapi.Options{Service: "gateway", Logger: d.Logger, Registerer: d.Registerer, Now: d.Now, Trusted: d.Trusted})
	return g, nil
}

// Handler is the gateway's HTTP interface.
func (g *Gateway) Handler() http.Handler { return g.handler }

// Drain refuses new WebSockets, gives the services a moment to end the open ones, and then closes them. It returns when
// all are closed, or when ctx ends.
func (g *Gateway) Drain(ctx context.Context) error { return g.tunnels.drain(ctx) }

// Close frees idle connections to the services.
func (g *Gateway) Close() error {
	g.transport.CloseIdleConnections()
	g.bulk.CloseIdleConnections()
	return nil
}

// endpoint is a route with what serves it.
type endpoint struct {
	Route
	g     *Gateway
	proxy http.Handler
}

func (g *Gateway) endpoint(r Route) (*endpoint, error) {
	e := &endpoint{Route: r, g: g}
	switch {
	case r.URL != nil && r.Handler == nil:
		if r.URL.Scheme != "http" && r.URL.Scheme != "https" || r.URL.Host == "" || strings.Trim(r.URL.Path, "/") != "" {
			return nil, caption.Errorf(caption.KindInvalid, "%q is not the URL of a service: give one such as http://host:8080, without a path", r.URL.Redacted())
		}
		e.proxy = g.reverseProxy(r)
	case r.URL == nil && r.Handler != nil:
		e.proxy = r.Handler
		if r.Objects {
			e.proxy = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				confine(w.Header())
				r.Handler.ServeHTTP(w, req)
			})
		}
	default:
		return nil, fmt.Errorf("route %s of the gateway needs either a URL or a handler", r.Pattern)
	}
	return e, nil
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) error {
	owner, limit, err := e.admit(r)
	if err != nil {
		return err
	}
	if limit := e.bodyLimit(); limit >= 0 && r.ContentLength != 0 {
		if r.ContentLength > limit {
			return tooLarge(limit)
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
	}
	if e.Stream {
		if e.URL != nil && isWebSocket(r) {
			return e.upgrade(w, r, owner, limit)
		}
		// An event stream would outlive the time to drain; its client reconnects elsewhere.
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer context.AfterFunc(httpapi.Drain(ctx), func() { cancel(errDraining) })()
		r = r.WithContext(ctx)
	}
	e.proxy.ServeHTTP(w, r)
	return nil
}

// admit decides whether a request may pass: by its token, and by how often its sender asks. It returns who is to be counted as the
// owner of streams, and how many of them the owner may have.
func (e *endpoint) admit(r *http.Request) (owner string, streams int, err error) {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return "", 0, caption.Errorf(caption.KindInvalid, "The method %s is not for this server.", r.Method).WithCode("bad_method")
	}
	rate := e.g.d.AddressRate
	owner, streams = "address:"+network(httpapi.ClientAddr(r)), e.g.d.StreamsPerAddress
	var denied error
	if !e.Public && (!e.Ticket || !r.URL.Query().Has("ticket")) {
		u, err := identity.Authenticate(e.g.d.Verifier, r)
		if err == nil {
			httpapi.NoteUser(r.Context(), u.ID)
			rate, owner, streams = e.g.d.UserRate, "user:"+u.ID, e.g.d.StreamsPerUser
		}
		denied = err // Guesses count against the address before they are denied.
	}
	if !e.Free || denied != nil {
		if err := e.g.limit(r.Context(), owner, rate); err != nil {
			return "", 0, err
		}
	}
	return owner, streams, denied
}

// limit counts a request of owner. While the limiter is away nothing is limited: refusing everyone would be worse.
func (g *Gateway) limit(ctx context.Context, owner string, rate Rate) error {
	if g.d.Limiter == nil || rate.N < 0 {
		return nil
	}
	ok, after, err := g.d.Limiter.Allow(ctx, "gateway:"+owner, rate.N, rate.Window)
	if err != nil {
		g.limiterErrors.Inc()
		g.log.WarnContext(ctx, "rate limiter failed", "error", err)
		return nil
	}
	if !ok {
		e := caption.Errorf(caption.KindRateLimited, "That was too many requests: wait a moment and try again.")
		e.RetryAfter = max(after, time.Second)
		return e
	}
	return nil
}

// network is what counts as one sender: an IPv4 address, or the IPv6 network that a provider gives to one customer.
func network(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

func (e *endpoint) bodyLimit() int64 {
	if e.BodyLimit == 0 {
		return DefaultBodyLimit
	}
	return e.BodyLimit
}

func tooLarge(limit int64) error {
	return caption.Errorf(caption.KindTooLarge, "The body is larger than %d bytes.", limit).WithCode("body_too_large")
}

func defaultTo[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
