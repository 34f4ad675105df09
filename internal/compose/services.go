package compose

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"k8s-scalers/api"
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
	"k8s-scalers/internal/podcost"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/telemetry"
	"k8s-scalers/internal/upload"
	"k8s-scalers/internal/worker"
)

// Each of the following puts one service together. The hops are where the gateway's requests come from.

// Auth makes auth-service.
func (p *Process) Auth(accounts backend.AccountStore, shared backend.Shared, from httpapi.Hops) (http.Handler, error) {
	s, err := auth.New(auth.Deps{
		Accounts: accounts, Limiter: shared, Logger: p.Log, Registerer: p.Reg,
		ClientAddr: func(r *http.Request) string { return httpapi.ClientAddr(r).String() },
	})
	if err != nil {
		return nil, err
	}
	p.App.Go("auth", s.Run)
	return p.behind("auth", s.Handler(), from), nil
}

// Upload makes upload-service.
func (p *Process) Upload(videos backend.Store, bucket upload.Bucket, v identity.Verifier, s config.Uploads, from httpapi.Hops) http.Handler {
	u := upload.New(upload.Deps{
		Videos: videos, Bucket: bucket, Verifier: v, Logger: p.Log, Registerer: p.Reg,
		Limits:     upload.Limits{MaxFileSize: int64(s.MaxFileSize), MaxUserBytes: int64(s.UserQuota), MaxOpenUploads: s.MaxOpenUploads},
		StaleAfter: s.StaleUpload,
	})
	p.App.Go("upload", p.whenThere(u.Run)) // Without a bucket there is nothing to sweep.
	return p.behind("upload", u.Handler(), from)
}

// Captions are what caption-service needs.
type Captions struct {
	Store    backend.Store
	Queue    backend.TaskQueue
	Shared   backend.Shared
	Bucket   captioning.Objects
	Verifier identity.Verifier
	Engines  []speech.Capabilities
	Settings config.Captions
	From     httpapi.Hops
}

// Captions makes caption-service.
func (p *Process) Captions(c Captions) http.Handler {
	s := captioning.New(captioning.Deps{
		Jobs: c.Store, Lists: c.Store, Segments: c.Store, Transcripts: c.Store, Videos: c.Store,
		Publisher: c.Queue, DeadLetters: c.Queue, Backlog: c.Queue, Events: c.Shared, Tickets: c.Shared, Objects: c.Bucket,
		Verifier: c.Verifier, Engines: c.Engines, MaxActive: c.Settings.MaxActiveJobs, Logger: p.Log, Registerer: p.Reg,
	})
	p.App.OnDrain("caption", s.Drain)
	p.App.Go("caption", s.Run)
	return p.behind("caption", s.Handler(), c.From)
}

// Work is what caption-worker needs.
type Work struct {
	Store    backend.Store
	Queue    backend.TaskQueue
	Shared   backend.Shared
	Bucket   worker.Objects
	WorkDir  string
	Settings config.Worker
	Delivery config.Delivery
	Engines  config.Engines
	// Idle is how long no task may have come before OnIdle is called, once; 0 is for ever.
	Idle   time.Duration
	OnIdle func()
}

// Worker makes caption-worker and returns what its engines can do.
func (p *Process) Worker(w Work) ([]speech.Capabilities, error) {
	if err := media.Check(); err != nil {
		return nil, err
	}
	engines, err := backend.Engines(w.Engines, backend.EngineOptions{
		Processes: w.Settings.Workers, TempDir: w.WorkDir, Logger: p.Log,
	})
	if err != nil {
		return nil, err
	}
	var can []speech.Capabilities
	for _, e := range engines {
		can = append(can, e.Capabilities())
		p.closing("engine "+e.Capabilities().Name, e)
	}
	pod, err := podcost.New(podcost.Config{Logger: p.Log})
	if err != nil {
		return nil, err
	}
	p.App.Go("pod deletion cost", pod.Run)
	telemetry.Register(p.Reg, telemetry.NewChildren())
	p.App.GoStages("worker", worker.New(worker.Deps{
		Queue: w.Queue, Jobs: w.Store, Segments: w.Store, Transcripts: w.Store, Videos: w.Store,
		Objects: w.Bucket, Events: w.Shared, Engines: engines, Fallback: w.Engines.EngineFallback,
		WorkDir: w.WorkDir, Parallel: w.Settings.Workers, Window: w.Settings.Window, SegmentLength: w.Settings.SegmentLength,
		MaxDuration: w.Settings.MaxDuration, MaxAttempts: w.Delivery.MaxAttempts,
		Idle: w.Idle, OnIdle: w.OnIdle, Busy: pod.Add, Logger: p.Log, Registerer: p.Reg,
	}).Run)
	return can, nil
}

// Frontend makes the web page's service.
func (p *Process) Frontend(ctx context.Context, bucket config.Bucket, from httpapi.Hops) (http.Handler, error) {
	origins, err := backend.MediaOrigins(ctx, bucket)
	if err != nil {
		return nil, err
	}
	return frontend.New(frontend.Deps{MediaOrigins: origins, Logger: p.Log, Registerer: p.Reg, Trusted: from})
}

// Services are where the gateway finds the services.
type Services struct {
	Auth, Upload, Caption, Frontend *url.URL
	// Bucket and Objects are an S3 server that clients reach through the gateway; nil where they reach it by itself.
	Bucket  string
	Objects http.Handler
}

// Gateway makes gateway-service.
func (p *Process) Gateway(at Services, v identity.Verifier, limiter caption.Limiter, s config.Gateway) (http.Handler, error) {
	trusted, err := httpapi.ParseHops(s.TrustedProxies...)
	if err != nil {
		return nil, err
	}
	g, err := gateway.New(gateway.Deps{
		Routes: gateway.Routes(gateway.Upstreams{
			Auth: at.Auth, Upload: at.Upload, Caption: at.Caption, Frontend: at.Frontend,
			Bucket: at.Bucket, S3Handler: at.Objects, OpenAPI: api.OpenAPI,
		}),
		Verifier: v, Limiter: limiter, Trusted: trusted,
		UserRate:       gateway.Rate{N: s.RequestsPerMinute, Window: time.Minute},
		AddressRate:    gateway.Rate{N: s.AnonymousRequestsPerMinute, Window: time.Minute},
		StreamsPerUser: s.StreamsPerUser, StreamsPerAddress: s.StreamsPerAddress,
		Logger: p.Log, Registerer: p.Reg,
	})
	if err != nil {
		return nil, err
	}
	p.App.OnDrain("gateway", g.Drain)
	p.closing("gateway", g)
	return g.Handler(), nil
}
