package backend

import (
	"context"
	"io"
	"log/slog"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/events/memevents"
	"k8s-scalers/internal/events/redisevents"
)

// Shared is what replicas of a service share and may lose. Subscribers need Run to run beside it.
type Shared interface {
	caption.Events
	caption.Tickets
	caption.Limiter
	Pinger
	Run(ctx context.Context) error
	io.Closer
}

// OpenShared opens a URL of package redisevents, or memory:, which only one process can share with itself.
func OpenShared(rawURL string, log *slog.Logger) (Shared, error) {
	if rawURL == "memory:" {
		return memory{memevents.NewEvents(), memevents.NewTickets(nil), memevents.NewLimiter(nil)}, nil
	}
	return redisevents.New(redisevents.Config{URL: rawURL, Logger: log})
}

// LogTo makes libraries that have one logger for the whole process, and else write to the standard error, use this one.
func LogTo(log *slog.Logger) { redisevents.LogTo(log) }

// memory is always there, and goes with the process.
type memory struct {
	caption.Events
	caption.Tickets
	caption.Limiter
}

func (memory) Ping(context.Context) error { return nil }
func (memory) Close() error               { return nil }

func (memory) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
