package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"k8s-scalers/api"
	"k8s-scalers/internal/app"
	"k8s-scalers/internal/auth"
	"k8s-scalers/internal/backend"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/captioning"
	"k8s-scalers/internal/config"
	"k8s-scalers/internal/frontend"
	"k8s-scalers/internal/gateway"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
	"k8s-scalers/internal/media"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/telemetry"
	"k8s-scalers/internal/upload"
	"k8s-scalers/internal/worker"
)

// bucket is the name of the bucket in the embedded S3 server, and so the first part of the paths that the gateway passes
// on to it.
const bucket = "captions-media"

// platform is the six services in one process, each on a loopback port of its own behind the gateway, so that requests
// take the same path as between processes.
type platform struct {
	app *app.App
	url string // of the gateway
	// ready is closed when everything that runs can do its work.
	ready chan struct{}

	ctx context.Context
	s   config.Serve
	log *slog.Logger
	reg *prometheus.Registry

	accounts backend.AccountStore
	store    backend.Store
	queue    backend.TaskQueue
	shared   backend.Shared
	s3       *backend.EmbeddedS3
	engine   speech.Recognizer
	verifier identity.Verifier
}

func newPlatform(ctx context.Context, s config.Serve, log *slog.Logger) (p *platform, err error) {
	p = &platform{ready: make(chan struct{}), ctx: ctx, s: s, log: log, reg: telemetry.NewRegistry("captions", version)}
	if p.app, err = app.New(app.Options{
		Name: "captions", Logger: log, AdminAddr: s.AdminAddr, Gatherer: p.reg,
		// A laptop's Ctrl-C should not take long; tasks that do not end in this time are given back and start again.
		DrainTimeout: 5 * time.Second, SoftTimeout: 2 * time.Second,
	}); err != nil {
		return nil, err
	}
	for _, step := range []func() error{p.folder, p.backends, p.services} {
		if err := step(); err != nil {
			return nil, errors.Join(err, p.app.Close())
		}
	}
	return p, nil
}

// folder makes the data folder and locks it: two servers on the same files would destroy each other's work.
func (p *platform) folder() error {
	dir, err := filepath.Abs(p.s.DataDir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	p.s.DataDir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return caption.Errorf(caption.KindInvalid, "The data folder %s cannot be made: %v. Choose another with --data.", dir, errors.Unwrap(err)).WithCode("bad_settings")
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return caption.Errorf(caption.KindInvalid, "The data folder %s cannot be written: %v. Choose another with --data.", dir, errors.Unwrap(err)).WithCode("bad_settings")
	}
	p.app.OnClose("data folder", time.Second, func(context.Context) error { return lock.Close() })
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return caption.Errorf(caption.KindConflict, "Another captions serve uses the data folder %s. Stop it, or choose another folder with --data.", dir).WithCode("data_in_use")
	}
	// What a killed process left half done is of no use to anybody.
	if err := os.RemoveAll(p.tmp()); err != nil {
		return fmt.Errorf("clear temporary files: %w", err)
	}
	return os.MkdirAll(p.tmp(), 0o700)
}

func (p *platform) tmp() string               { return filepath.Join(p.s.DataDir, "tmp") }
func (p *platform) sqlite(name string) string { return "sqlite:" + filepath.Join(p.s.DataDir, name) }

// closing registers the clean-up of a backend that has just been opened.
func (p *platform) closing(name string, c io.Closer) {
	p.app.OnClose(name, 5*time.Second, func(context.Context) error { return c.Close() })
}

func (p *platform) backends() (err error) {
	if p.engine, err = backend.Engine("", p.s.PocketSphinx, backend.EngineOptions{
		Processes: p.s.Workers, Nice: 10, TempDir: p.tmp(), Logger: p.log,
	}); err != nil {
		return err
	}
	if c, ok := p.engine.(io.Closer); ok {
		p.closing("speech engine", c)
	}
	if err := media.Check(); err != nil {
		return err
	}
	if p.accounts, err = backend.OpenAccounts(p.ctx, p.sqlite("accounts.db")); err != nil {
		return err
	}
	p.closing("accounts", p.accounts)
	if p.store, err = backend.OpenStore(p.ctx, p.sqlite("captions.db")); err != nil {
		return err
	}
	p.closing("store", p.store)
	if p.queue, err = backend.OpenQueue(p.ctx, p.sqlite("queue.db"), backend.QueueOptions{
		Visibility: p.s.Visibility, MaxAttempts: p.s.MaxAttempts, Logger: p.log,
	}); err != nil {
		return err
	}
	p.closing("queue", p.queue)
	// Leases are kept alive, and the bucket is there, for as long as tasks may run.
	p.app.GoLast("queue", p.queue.Run)
	if p.shared, err = backend.OpenShared(p.ctx, "memory:"); err != nil {
		return err
	}
	if p.s3, err = backend.NewEmbeddedS3(p.ctx, filepath.Join(p.s.DataDir, "s3"), bucket, p.log); err != nil {
		return err
	}
	p.app.GoLast("s3", p.s3.Run)
	p.app.Go("bucket", func(ctx context.Context) error {
		if err := p.s3.Bucket.Ensure(ctx); err != nil {
			return err
		}
		close(p.ready)
		return nil
	})
	p.app.Ready("bucket", func(context.Context) error {
		select {
		case <-p.ready:
			return nil
		default:
			return errors.New("the bucket is not ready yet")
		}
	})
	return nil
}

// loopback binds a service to a port of its own and returns its address.
func (p *platform) loopback(name string, h http.Handler) (*url.URL, error) {
	addr, err := p.app.Listen(name, "127.0.0.1:0", httpapi.Wrap(h, httpapi.Options{
		Service: name, Logger: p.log, Registerer: p.reg, Trusted: httpapi.Loopback(),
	}))
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: "http", Host: addr.String()}, nil
}

func (p *platform) services() error {
	authService, err := auth.New(auth.Deps{
		Accounts: p.accounts, Limiter: p.shared.Limiter, Logger: p.log, Registerer: p.reg,
		ClientAddr: func(r *http.Request) string { return httpapi.ClientAddr(r).String() },
	})
	if err != nil {
		return err
	}
	authURL, err := p.loopback("auth", authService.Handler())
	if err != nil {
		return err
	}
	p.app.Go("auth", authService.Run)
	p.verifier = identity.NewJWKSVerifier(identity.JWKSDeps{URL: authURL.JoinPath("/.well-known/jwks.json").String()})

	uploads := upload.New(upload.Deps{
		Videos: p.store, Bucket: p.s3.Bucket, Verifier: p.verifier, Logger: p.log, Registerer: p.reg,
		Limits: upload.Limits{
			MaxFileSize: int64(p.s.MaxFileSize), MaxUserBytes: int64(p.s.UserQuota), MaxOpenUploads: p.s.MaxOpenUploads,
		},
		StaleAfter: p.s.StaleUpload,
	})
	uploadURL, err := p.loopback("upload", uploads.Handler())
	if err != nil {
		return err
	}
	p.app.Go("upload", uploads.Run)

	captions := captioning.New(captioning.Deps{
		Jobs: p.store, Lists: p.store, Segments: p.store, Transcripts: p.store, Videos: p.store,
		Publisher: p.queue, DeadLetters: p.queue, Events: p.shared.Events, Tickets: p.shared.Tickets, Objects: p.s3.Bucket,
		Verifier: p.verifier, Engines: []speech.Capabilities{p.engine.Capabilities()}, MaxActive: p.s.MaxActiveJobs,
		Logger: p.log, Registerer: p.reg,
	})
	captionURL, err := p.loopback("caption", captions.Handler())
	if err != nil {
		return err
	}
	p.app.OnDrain("caption", captions.Drain)
	p.app.Go("caption", captions.Run)

	w := worker.New(worker.Deps{
		Queue: p.queue, Jobs: p.store, Segments: p.store, Transcripts: p.store, Videos: p.store,
		Objects: p.s3.Bucket, Events: p.shared.Events, Engines: []speech.Recognizer{p.engine},
		WorkDir: p.tmp(), Parallel: p.s.Workers, Window: p.s.Window, SegmentLength: p.s.SegmentLength,
		MaxDuration: p.s.MaxDuration, MaxAttempts: p.s.MaxAttempts, Logger: p.log, Registerer: p.reg,
	})
	p.app.GoStages("worker", w.Run)

	page, err := frontend.New(frontend.Deps{Logger: p.log, Registerer: p.reg, Trusted: httpapi.Loopback()})
	if err != nil {
		return err
	}
	addr, err := p.app.Listen("frontend", "127.0.0.1:0", page)
	if err != nil {
		return err
	}
	frontendURL := &url.URL{Scheme: "http", Host: addr.String()}

	trusted, err := httpapi.ParseHops(p.s.TrustedProxies...)
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Deps{
		Routes: gateway.Routes(gateway.Upstreams{
			Auth: authURL, Upload: uploadURL, Caption: captionURL, Frontend: frontendURL,
			Bucket: bucket, S3Handler: p.s3.Handler(), OpenAPI: api.OpenAPI,
		}),
		Verifier: p.verifier, Limiter: p.shared.Limiter, Trusted: trusted,
		UserRate:       gateway.Rate{N: p.s.RequestsPerMinute, Window: time.Minute},
		AddressRate:    gateway.Rate{N: p.s.AnonymousRequestsPerMinute, Window: time.Minute},
		StreamsPerUser: p.s.StreamsPerUser, StreamsPerAddress: p.s.StreamsPerAddress,
		Logger: p.log, Registerer: p.reg,
	})
	if err != nil {
		return err
	}
	p.app.OnDrain("gateway", g.Drain)
	p.closing("gateway", g)
	addr, err = p.app.Listen("gateway", p.s.Addr, g.Handler())
	if err != nil {
		return err
	}
	p.url = publicURL(p.s.Addr, addr)
	return nil
}

// publicURL is how a user on this machine reaches the gateway.
func publicURL(asked string, bound net.Addr) string {
	host, _, _ := net.SplitHostPort(asked) // It was bound, so it has this form.
	_, port, _ := net.SplitHostPort(bound.String())
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
