// Command caption-service takes caption jobs, tells of their progress, and serves their results.
package main

import (
	"context"
	"os"

	"k8s-scalers/internal/backend"
	"k8s-scalers/internal/compose"
	"k8s-scalers/internal/config"
)

// version is set by the linker; see the Makefile.
var version = "dev"

func main() {
	var s config.CaptionService
	os.Exit(compose.Program{
		Name: "caption-service", Version: version, Settings: &s, Process: &s.Process, Public: &s.Public,
		Build: func(ctx context.Context, p *compose.Process) error { return build(ctx, p, s) },
	}.Main(os.Args[1:]))
}

func build(ctx context.Context, p *compose.Process, s config.CaptionService) (err error) {
	c := compose.Captions{Verifier: compose.Verifier(s.AuthURL), Settings: s.Captions}
	if c.From, err = compose.Hops(s.Behind); err != nil {
		return err
	}
	if c.Engines, err = backend.EngineCapabilities(s.Enabled); err != nil {
		return err
	}
	if c.Store, err = p.Store(ctx, s.StoreURL); err != nil {
		return err
	}
	if c.Queue, err = p.Queue(ctx, s.QueueURL, s.Delivery); err != nil {
		return err
	}
	if c.Shared, err = p.Shared(s.EventsURL); err != nil {
		return err
	}
	if c.Bucket, err = p.Bucket(ctx, s.S3); err != nil {
		return err
	}
	return p.Serve("caption", s.Public, p.Captions(c))
}
