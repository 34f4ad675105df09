package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"k8s-scalers/internal/app"
	"k8s-scalers/internal/backend"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/compose"
	"k8s-scalers/internal/config"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/telemetry"
)

// bucket is the name of the bucket in the embedded S3 server, and so the first part of the paths that the gateway passes
// on to it.
const bucket = "captions-media"

// platform is the six services in one process, each on a loopback port of its own behind the gateway, so that requests
// take the same path as between processes.
type platform struct {
	*compose.Process
	url string // of the gateway
	// ready is closed when everything that runs can do its work.
	ready <-chan struct{}

	ctx context.Context
	s   config.Serve

	accounts backend.AccountStore
	store    backend.Store
	queue    backend.TaskQueue
	shared   backend.Shared
	s3       *backend.EmbeddedS3
}

func newPlatform(ctx context.Context, s config.Serve, log *slog.Logger) (*platform, error) {
	p, err := newBackends(ctx, s, log)
	if err != nil {
		return nil, err
	}
	if err := p.services(); err != nil {
		return nil, errors.Join(err, p.App.Close())
	}
	return p, nil
}

// newBackends is a platform without its services yet.
func newBackends(ctx context.Context, s config.Serve, log *slog.Logger) (p *platform, err error) {
	p = &platform{Process: &compose.Process{Log: log, Reg: telemetry.NewRegistry("captions", version)}, ctx: ctx, s: s}
	if p.App, err = app.New(app.Options{
		Name: "captions", Logger: log, AdminAddr: s.AdminAddr, Gatherer: p.Reg,
		// A laptop's Ctrl-C should not take long; tasks that do not end in this time are given back and start again.
		DrainTimeout: 5 * time.Second, SoftTimeout: 2 * time.Second,
	}); err != nil {
		return nil, err
	}
	for _, step := range []func() error{p.folder, p.backends} {
		if err := step(); err != nil {
			return nil, errors.Join(err, p.App.Close())
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
	lock, err := lockData(dir)
	if err != nil {
		return err
	}
	p.App.OnClose("data folder", time.Second, func(context.Context) error { return lock.Close() })
	// What a killed process left half done is of no use to anybody.
	if err := os.RemoveAll(p.tmp()); err != nil {
		return fmt.Errorf("clear temporary files: %w", err)
	}
	return os.MkdirAll(p.tmp(), 0o700)
}

// lockData locks a data folder until what it returns is closed.
func lockData(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, caption.Errorf(caption.KindInvalid, "The data folder %s cannot be written: %v. Choose another with --data.", dir, errors.Unwrap(err)).WithCode("bad_settings")
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close() // Nothing was written.
		return nil, caption.Errorf(caption.KindConflict, "Another captions serve uses the data folder %s. Stop it, or choose another folder with --data.", dir).WithCode("data_in_use")
	}
	return lock, nil
}

func (p *platform) tmp() string               { return filepath.Join(p.s.DataDir, "tmp") }
func (p *platform) sqlite(name string) string { return "sqlite:" + filepath.Join(p.s.DataDir, name) }

func (p *platform) backends() (err error) {
	if p.accounts, err = p.Accounts(p.ctx, p.sqlite("accounts.db")); err != nil {
		return err
	}
	if p.store, err = p.Store(p.ctx, p.sqlite("captions.db")); err != nil {
		return err
	}
	if p.queue, err = p.Queue(p.ctx, p.sqlite("queue.db"), p.s.Delivery); err != nil {
		return err
	}
	if p.shared, err = p.Shared("memory:"); err != nil {
		return err
	}
	if p.s3, err = backend.NewEmbeddedS3(p.ctx, filepath.Join(p.s.DataDir, "s3"), bucket, p.Log); err != nil {
		return err
	}
	// The bucket is there for as long as tasks may run.
	p.App.GoLast("s3", p.s3.Run)
	p.ready = p.Await("bucket", func(ctx context.Context) error { return p.s3.Bucket.Ensure(ctx) })
	return nil
}

// loopback binds a service to a port of its own and returns its address.
func (p *platform) loopback(name string, h http.Handler) (*url.URL, error) {
	addr, err := p.App.Listen(name, "127.0.0.1:0", h)
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: "http", Host: addr.String()}, nil
}

func (p *platform) services() error {
	at := compose.Services{Bucket: bucket, Objects: p.s3.Handler()}
	h, err := p.Auth(p.accounts, p.shared, httpapi.Loopback())
	if err != nil {
		return err
	}
	if at.Auth, err = p.loopback("auth", h); err != nil {
		return err
	}
	verifier := compose.Verifier(config.BaseURL(at.Auth.String()))

	if at.Upload, err = p.loopback("upload", p.Upload(p.store, p.s3.Bucket, verifier, p.s.Uploads, httpapi.Loopback())); err != nil {
		return err
	}

	engines, err := p.Worker(compose.Work{
		Store: p.store, Queue: p.queue, Shared: p.shared, Bucket: p.s3.Bucket, WorkDir: p.tmp(),
		Settings: p.s.Worker, Delivery: p.s.Delivery, Engines: p.s.Engines,
	})
	if err != nil {
		return err
	}
	if at.Caption, err = p.loopback("caption", p.Captions(compose.Captions{
		Store: p.store, Queue: p.queue, Shared: p.shared, Bucket: p.s3.Bucket, Verifier: verifier, Engines: engines,
		Settings: p.s.Captions, From: httpapi.Loopback(),
	})); err != nil {
		return err
	}

	if h, err = p.Frontend(p.ctx, config.Bucket{}, httpapi.Loopback()); err != nil {
		return err
	}
	if at.Frontend, err = p.loopback("frontend", h); err != nil {
		return err
	}

	if h, err = p.Gateway(at, verifier, p.shared, p.s.Gateway); err != nil {
		return err
	}
	addr, err := p.App.Listen("gateway", p.s.Addr, h)
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
