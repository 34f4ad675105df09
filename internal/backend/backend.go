// Package backend opens the adapters that settings name by URL. It is the only importer of adapters, so that services
// know ports alone, and a process has just the backends that its settings name.
package backend

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/accounts/sqlaccounts"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/config"
	"k8s-scalers/internal/events/memevents"
	"k8s-scalers/internal/queue/sqlitequeue"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/pocketsphinx"
	"k8s-scalers/internal/store/sqlitestore"
)

// TaskQueue is the queue with all its sides. Run must run beside it.
type TaskQueue interface {
	caption.Publisher
	caption.Consumer
	caption.DeadLetters
	caption.QueueStatser
	Run(ctx context.Context) error
	Close() error
}

// Store holds videos, jobs and transcripts.
type Store interface {
	caption.Videos
	caption.Jobs
	caption.JobLists
	caption.Segments
	caption.Transcripts
	Close() error
}

// AccountStore holds users, sessions and signing keys.
type AccountStore interface {
	accounts.Store
	Close() error
}

// Shared is what replicas of a service share and may lose.
type Shared struct {
	caption.Events
	caption.Tickets
	caption.Limiter
}

// QueueOptions are how a queue delivers.
type QueueOptions struct {
	Visibility  time.Duration
	MaxAttempts int
	Logger      *slog.Logger
}

// OpenQueue opens sqlite:/path/to/file.
func OpenQueue(ctx context.Context, rawURL string, o QueueOptions) (TaskQueue, error) {
	path, err := sqlitePath("queue", rawURL)
	if err != nil {
		return nil, err
	}
	return sqlitequeue.Open(ctx, sqlitequeue.Config{Path: path, Visibility: o.Visibility, MaxAttempts: o.MaxAttempts, Logger: o.Logger})
}

// OpenStore opens sqlite:/path/to/file.
func OpenStore(ctx context.Context, rawURL string) (Store, error) {
	path, err := sqlitePath("store", rawURL)
	if err != nil {
		return nil, err
	}
	return sqlitestore.Open(ctx, sqlitestore.Config{Path: path})
}

// OpenAccounts opens sqlite:/path/to/file.
func OpenAccounts(ctx context.Context, rawURL string) (AccountStore, error) {
	return sqlaccounts.Open(ctx, rawURL)
}

// OpenShared opens memory:, which only one process can share with itself.
func OpenShared(_ context.Context, rawURL string) (Shared, error) {
	if rawURL != "memory:" {
		return Shared{}, badURL("events", rawURL, "memory:")
	}
	return Shared{memevents.NewEvents(), memevents.NewTickets(nil), memevents.NewLimiter(nil)}, nil
}

// EngineOptions are how a speech engine runs.
type EngineOptions struct {
	Processes int    // of engines that run here
	Nice      int    // by how much these yield the cores to others
	TempDir   string // empty: the system's
	Logger    *slog.Logger
}

// Engine makes the speech engine of that name; the empty name is the default. It may implement [io.Closer].
func Engine(name string, s config.PocketSphinx, o EngineOptions) (speech.Recognizer, error) {
	if name != "" && name != pocketsphinx.Name {
		return nil, caption.Errorf(caption.KindInvalid, "There is no speech engine %q. There is: %s.", name, pocketsphinx.Name).WithCode("usage")
	}
	return pocketsphinx.New(pocketsphinx.Deps{Model: s.PocketSphinxModel, Processes: o.Processes, Nice: o.Nice, TempDir: o.TempDir, Logger: o.Logger})
}

func sqlitePath(what, rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	path := strings.TrimPrefix(rawURL, "sqlite:")
	if err != nil || u.Scheme != "sqlite" || !strings.HasPrefix(path, "/") {
		return "", badURL(what, rawURL, "sqlite:/path/to/file")
	}
	return path, nil
}

func badURL(what, rawURL, want string) error {
	scheme, _, _ := strings.Cut(rawURL, ":") // The rest may hold a password.
	return caption.Errorf(caption.KindInvalid, "The URL of the %s begins with %q; known is %s.", what, scheme, want).WithCode("bad_settings")
}
