// Package backend opens the adapters that settings name by URL. It is the only importer of adapters, so that services
// know ports alone, and a process has just the backends that its settings name. Opening waits for no server: one that is away
// may come later, and until then calls fail with [caption.KindUnavailable].
package backend

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/accounts/sqlaccounts"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/queue/amqpqueue"
	"k8s-scalers/internal/queue/sqlitequeue"
	"k8s-scalers/internal/store/mongostore"
	"k8s-scalers/internal/store/sqlitestore"
)

// Pinger is a backend that may be away. Ping returns nil while it can be used.
type Pinger interface {
	Ping(ctx context.Context) error
}

// TaskQueue is the queue with all its sides. Run must run beside it.
type TaskQueue interface {
	caption.Publisher
	caption.Consumer
	caption.DeadLetters
	caption.QueueStatser
	Run(ctx context.Context) error
	io.Closer
}

// Store holds videos, jobs and transcripts.
type Store interface {
	caption.Videos
	caption.Jobs
	caption.JobLists
	caption.Segments
	caption.Transcripts
	io.Closer
}

// AccountStore holds users, sessions and signing keys.
type AccountStore interface {
	accounts.Store
	io.Closer
}

// QueueOptions are how a queue delivers.
type QueueOptions struct {
	Visibility  time.Duration
	MaxAttempts int
	Logger      *slog.Logger
}

// OpenQueue opens amqp://user:password@host/vhost, or amqps, or sqlite:/path/to/file.
func OpenQueue(ctx context.Context, rawURL string, o QueueOptions) (TaskQueue, error) {
	switch scheme(rawURL) {
	case "amqp", "amqps":
		return amqpqueue.New(amqpqueue.Config{URL: rawURL, Visibility: o.Visibility, MaxAttempts: o.MaxAttempts, Logger: o.Logger})
	}
	path, err := sqlitePath("queue", rawURL, "amqp://user:password@host:5672/vhost")
	if err != nil {
		return nil, err
	}
	return sqlitequeue.Open(ctx, sqlitequeue.Config{Path: path, Visibility: o.Visibility, MaxAttempts: o.MaxAttempts, Logger: o.Logger})
}

// OpenStore opens mongodb://host/database, or mongodb+srv, or sqlite:/path/to/file.
func OpenStore(ctx context.Context, rawURL string) (Store, error) {
	switch scheme(rawURL) {
	case "mongodb", "mongodb+srv":
		return mongostore.New(mongostore.Config{URL: rawURL})
	}
	path, err := sqlitePath("store", rawURL, "mongodb://host:27017/database")
	if err != nil {
		return nil, err
	}
	return sqlitestore.Open(ctx, sqlitestore.Config{Path: path})
}

// OpenAccounts opens sqlite:/path/to/file, or postgres://user:password@host/database.
func OpenAccounts(ctx context.Context, rawURL string) (AccountStore, error) {
	return sqlaccounts.Open(ctx, rawURL)
}

func scheme(rawURL string) string {
	s, _, _ := strings.Cut(rawURL, ":") // The rest may hold a password.
	return s
}

func sqlitePath(what, rawURL string, others ...string) (string, error) {
	u, err := url.Parse(rawURL)
	path := strings.TrimPrefix(rawURL, "sqlite:")
	if err != nil || u.Scheme != "sqlite" || !strings.HasPrefix(path, "/") {
		return "", badURL(what, rawURL, append(others, "sqlite:/path/to/file")...)
	}
	return path, nil
}

func badURL(what, rawURL string, known ...string) error {
	return caption.Errorf(caption.KindInvalid, "The URL of the %s begins with %q; known is %s.", what, scheme(rawURL), strings.Join(known, " or ")).WithCode("bad_settings")
}
