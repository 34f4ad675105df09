package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
)

// Limits of bodies, in bytes.
const (
	DefaultBodyLimit    = 1 << 20
	TranscriptBodyLimit = 16 << 20
	NoBodyLimit         = -1
)

// Route is one row of the routing table.
type Route struct {
	Pattern string       // of http.ServeMux, without a host; where Objects is set, a plain prefix of the path
	URL     *url.URL     // of the service; or
	Handler http.Handler // the service itself

	Public    bool  // needs no token
	Ticket    bool  // needs none either if the query has a ticket: the service redeems it
	Free      bool  // is not counted by the rate limits
	Stream    bool  // answers with endless streams: WebSockets are proxied, and everything ends when the gateway drains
	Objects   bool  // is S3: requests are passed as they are, and signed by themselves
	BodyLimit int64 // 0 is DefaultBodyLimit
}

// Upstreams are where the services are.
type Upstreams struct {
	Auth, Upload, Caption, Frontend *url.URL

	// Bucket is the bucket whose objects are served below /<bucket>/, by S3 or, in the same process, by S3Handler.
	// Empty: clients reach S3 by an address of its own.
	Bucket    string
	S3        *url.URL
	S3Handler http.Handler

	OpenAPI []byte // served as /api/v1/openapi.yaml; nil: not served
}

// Routes returns the routing table of the platform.
func Routes(u Upstreams) []Route {
	routes := []Route{
		{Pattern: "/api/v1/auth/", URL: u.Auth},
		{Pattern: "/api/v1/auth/signup", URL: u.Auth, Public: true},
		{Pattern: "/api/v1/auth/login", URL: u.Auth, Public: true},
		{Pattern: "/api/v1/auth/refresh", URL: u.Auth, Public: true},
		{Pattern: "/api/v1/auth/logout", URL: u.Auth, Public: true},
		{Pattern: "/api/v1/auth/validate", URL: u.Auth, Public: true},
		{Pattern: "/.well-known/jwks.json", URL: u.Auth, Public: true},

		{Pattern: "/api/v1/uploads", URL: u.Upload},
		{Pattern: "/api/v1/uploads/", URL: u.Upload},

		{Pattern: "/api/v1/captions", URL: u.Caption},
		{Pattern: "/api/v1/captions/", URL: u.Caption},
		{Pattern: "/api/v1/captions/{id}/events", URL: u.Caption, Ticket: true, Stream: true},
		{Pattern: "/api/v1/captions/{id}/transcript", URL: u.Caption, BodyLimit: TranscriptBodyLimit},
		{Pattern: "/api/v1/result/", URL: u.Caption},

		{Pattern: "/api/", Handler: httpapi.Handler(notFound), Public: true},
		{Pattern: "/", URL: u.Frontend, Public: true, Free: true},
	}
	if u.OpenAPI != nil {
		routes = append(routes, Route{Pattern: "/api/v1/openapi.yaml", Handler: document(u.OpenAPI), Public: true})
	}
	if u.Bucket != "" {
		routes = append(routes, Route{Pattern: "/" + strings.Trim(u.Bucket, "/") + "/", URL: u.S3, Handler: u.S3Handler,
			Public: true, Free: true, Objects: true, BodyLimit: NoBodyLimit})
	}
	return routes
}

func notFound(http.ResponseWriter, *http.Request) error {
	return caption.Errorf(caption.KindNotFound, "There is nothing at this address.")
}

func document(yaml []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(yaml) // The client is gone when this fails.
	})
}
