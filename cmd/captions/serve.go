package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"k8s-scalers/internal/config"
	"k8s-scalers/internal/telemetry"
)

type serveCmd struct {
	Addr      string `help:"Where to serve the web page and the API. Default: localhost:8080." placeholder:"HOST:PORT"`
	AdminAddr string `help:"Where to serve probes, metrics and profiles. Default: a free port, which is logged." placeholder:"HOST:PORT"`
	Data      string `help:"The folder that holds everything. Default: captions in your data folder." placeholder:"DIR" type:"path"`
}

// Help implements kong.HelpProvider.
func (serveCmd) Help() string {
	return `All settings are environment variables, which docs/configuration.md lists; the flags here go before them.

Examples:
  captions serve
  captions serve --data /srv/captions --addr :8080
  CAPTIONS_MAX_FILE_SIZE=50GiB captions serve`
}

func (c serveCmd) Run(e *env) error {
	var s config.Serve
	if err := config.Load(&s); err != nil {
		return err
	}
	for _, f := range []struct {
		flag string
		to   *string
	}{{c.Addr, &s.Addr}, {c.AdminAddr, &s.AdminAddr}, {c.Data, &s.DataDir}} {
		if f.flag != "" {
			*f.to = f.flag
		}
	}
	if err := s.Normalise(); err != nil {
		return err
	}
	log, err := telemetry.NewLogger(e.stderr, s.LogLevel, s.LogFormat)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		// This process waits most of the time, on a machine that has other things to do: memory is dearer than the CPU time
		// of collecting garbage more often.
		debug.SetGCPercent(30)
	}
	slog.SetDefault(log) // for libraries, and for errors that are rendered where no logger is at hand
	stopTracing, err := telemetry.StartTracing(e.ctx, "captions", version, log)
	if err != nil {
		return err
	}
	p, err := newPlatform(e.ctx, s, log)
	if err != nil {
		return errors.Join(err, stopTracing(e.ctx))
	}
	p.App.OnClose("traces", 5*time.Second, stopTracing)
	p.App.Go("announce", func(ctx context.Context) error {
		select {
		case <-ctx.Done():
		case <-p.ready:
			log.Info("ready", "url", p.url, "data", p.s.DataDir)
			fmt.Fprintf(e.stdout, "captions is ready on %s\n", p.url)
		}
		return nil
	})
	return p.App.Run(e.ctx)
}
