// Command caption-worker takes tasks from the queue and turns videos into captions. It answers no requests.
package main

import (
	"context"
	"os"

	"k8s-scalers/internal/compose"
	"k8s-scalers/internal/config"
)

// version is set by the linker; see the Makefile.
var version = "dev"

func main() {
	var s config.CaptionWorker
	os.Exit(compose.Program{
		Name: "caption-worker", Version: version, Settings: &s, Process: &s.Process,
		Build: func(ctx context.Context, p *compose.Process) error {
			s.Normalise()
			return build(ctx, p, s)
		},
	}.Main(os.Args[1:]))
}

func build(ctx context.Context, p *compose.Process, s config.CaptionWorker) (err error) {
	w := compose.Work{
		Settings: s.Worker, Delivery: s.Delivery, Engines: s.Engines,
		Idle: s.ExitWhenIdle, OnIdle: func() { p.Stop(compose.ErrIdle) },
	}
	if w.WorkDir, err = p.WorkDir(s.WorkDir); err != nil {
		return err
	}
	if w.Store, err = p.Store(ctx, s.StoreURL); err != nil {
		return err
	}
	if w.Queue, err = p.Queue(ctx, s.QueueURL, s.Delivery); err != nil {
		return err
	}
	if w.Shared, err = p.Shared(s.EventsURL); err != nil {
		return err
	}
	if w.Bucket, err = p.Bucket(ctx, s.S3); err != nil {
		return err
	}
	_, err = p.Worker(w)
	return err
}
