// Package compose puts services together: it opens the backends of a process, gives each service what it needs of them, and
// says what of it runs in the background and when it is ready. A main decides which services a process has and where they
// listen. What they do is in their own packages; the order in which a process starts and stops is package app's.
package compose

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"k8s-scalers/internal/app"
	"k8s-scalers/internal/backend"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/config"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
	"k8s-scalers/internal/upload"
	"k8s-scalers/internal/worker"
)

// Process is a program that is being put together.
type Process struct {
	App *app.App
	Log *slog.Logger
	Reg *prometheus.Registry
	// Stop ends the process in order, as a signal does.
	Stop func(cause error)

	awaited []<-chan struct{}
}

// closing registers the clean-up of a backend that has just been opened.
func (p *Process) closing(name string, b any) {
	if c, ok := b.(io.Closer); ok {
		p.App.OnClose(name, 5*time.Second, func(context.Context) error { return c.Close() })
	}
}

// required makes the process not ready while a backend that may be away is.
func (p *Process) required(name string, b any) {
	if b, ok := b.(backend.Pinger); ok {
		p.App.Ready(name, b.Ping)
	}
}

// Queue opens the queue of tasks.
func (p *Process) Queue(ctx context.Context, rawURL string, d config.Delivery) (backend.TaskQueue, error) {
	q, err := backend.OpenQueue(ctx, rawURL, backend.QueueOptions{Visibility: d.Visibility, MaxAttempts: d.MaxAttempts, Logger: p.Log})
	if err != nil {
		return nil, err
	}
	p.closing("queue", q)
	p.required("queue", q)
	// Leases are kept alive for as long as tasks may run.
	p.App.GoLast("queue", q.Run)
	return q, nil
}

// Store opens the store of videos, jobs and transcripts.
func (p *Process) Store(ctx context.Context, rawURL string) (backend.Store, error) {
	s, err := backend.OpenStore(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	p.closing("store", s)
	p.required("store", s)
	return s, nil
}

// Accounts opens the store of users.
func (p *Process) Accounts(ctx context.Context, rawURL string) (backend.AccountStore, error) {
	s, err := backend.OpenAccounts(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	p.closing("accounts", s)
	p.required("accounts", s)
	return s, nil
}

// Shared opens events, tickets and rate limits. A process is not ready before they have been there once; then it goes on
// without them as well as it can, because most of what it does needs none of them.
func (p *Process) Shared(rawURL string) (backend.Shared, error) {
	s, err := backend.OpenShared(rawURL, p.Log)
	if err != nil {
		return nil, err
	}
	p.closing("events", s)
	p.Await("events", s.Ping)
	p.App.GoLast("events", s.Run)
	return s, nil
}

// Limits opens the rate limits alone, without which nothing is limited: so the process does not wait for them.
func (p *Process) Limits(rawURL string) (caption.Limiter, error) {
	s, err := backend.OpenShared(rawURL, p.Log)
	if err != nil {
		return nil, err
	}
	p.closing("limiter", s)
	return s, nil
}

// Bucket is what all services together need of a bucket.
type Bucket interface {
	upload.Bucket
	worker.Objects
	backend.Pinger
	// Ensure makes a bucket that does not exist, and lets pages of the origins use it.
	Ensure(ctx context.Context, origins ...string) error
}

// Bucket opens the bucket. The process is not ready before it was there once.
func (p *Process) Bucket(ctx context.Context, s config.S3) (Bucket, error) {
	b, err := backend.OpenBucket(ctx, s, p.Log)
	if err != nil {
		return nil, err
	}
	if s.CreateBucket {
		p.Await("bucket", func(ctx context.Context) error { return b.Ensure(ctx, "*") })
	} else {
		p.Await("bucket", b.Ping)
	}
	return b, nil
}

// Await does what must have succeeded once before the process is ready, again and again until it does; then it closes there.
// A server that refuses us is asked again, too: what it is told may be mended at its side.
func (p *Process) Await(name string, do func(context.Context) error) (there <-chan struct{}) {
	done := make(chan struct{})
	p.awaited = append(p.awaited, done)
	var last atomic.Value // why it is not there, a string
	last.Store("not tried yet")
	p.App.Go(name, func(ctx context.Context) error {
		for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
			err := do(ctx)
			if err == nil {
				close(done)
				return nil
			}
			if ctx.Err() == nil {
				last.Store(err.Error())
				p.Log.WarnContext(ctx, "not ready; trying again", "waiting_for", name, "pause", pause, "error", err)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
		}
	})
	p.App.Ready(name, func(context.Context) error {
		select {
		case <-done:
			return nil
		default:
			return fmt.Errorf("%s", last.Load())
		}
	})
	return done
}

// whenThere makes something that runs in the background begin when everything that is awaited by now has been there.
func (p *Process) whenThere(run func(context.Context) error) func(context.Context) error {
	awaited := p.awaited
	return func(ctx context.Context) error {
		for _, there := range awaited {
			select {
			case <-there:
			case <-ctx.Done():
				return nil
			}
		}
		return run(ctx)
	}
}

// Verifier verifies access tokens by the keys of the auth-service at that address.
func Verifier(auth config.BaseURL) identity.Verifier {
	return identity.NewJWKSVerifier(identity.JWKSDeps{URL: auth.URL().JoinPath(identity.JWKSPath).String()})
}

// Serve answers requests of the service, as the last thing that is put together.
func (p *Process) Serve(service string, s config.Public, h http.Handler) error {
	_, err := p.App.Listen(service, s.Addr, h)
	return err
}

// behind makes the HTTP interface of a service behind the gateway.
func (p *Process) behind(service string, h http.Handler, gateway httpapi.Hops) http.Handler {
	return httpapi.Wrap(h, httpapi.Options{Service: service, Logger: p.Log, Registerer: p.Reg, Trusted: gateway})
}
