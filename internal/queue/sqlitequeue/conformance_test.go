package sqlitequeue_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/queue/queuetest"
	"k8s-scalers/internal/queue/sqlitequeue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ caption.Publisher    = (*sqlitequeue.Queue)(nil)
	_ caption.Consumer     = (*sqlitequeue.Queue)(nil)
	_ caption.DeadLetters  = (*sqlitequeue.Queue)(nil)
	_ caption.QueueStatser = (*sqlitequeue.Queue)(nil)
)

// process is an open queue with its Run.
type process struct {
	*sqlitequeue.Queue
	path string
	stop func()
}

func (p *process) Close(t *testing.T) {
	p.stop()
	require.NoError(t, p.Queue.Close())
}

// Kill is Close, because Close says nothing to the queue either.
func (p *process) Kill(t *testing.T) { p.Close(t) }

// Expel opens the file as if the process were dead.
func (p *process) Expel(t *testing.T) {
	q, err := sqlitequeue.Open(t.Context(), sqlitequeue.Config{Path: p.path})
	require.NoError(t, err)
	require.NoError(t, q.Close())
}

func (p *process) Stall(*testing.T) { p.stop() }

func start(t *testing.T, cfg sqlitequeue.Config) *process {
	q, err := sqlitequeue.Open(t.Context(), cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(func() {
		stop()
		require.NoError(t, q.Close())
	})
	return &process{Queue: q, path: cfg.Path, stop: stop}
}

func TestConformance(t *testing.T) {
	f := queuetest.Features{MaxAttempts: 3, Visibility: time.Second, StrictOrder: true, OldestAge: true}
	queuetest.Run(t, f, func(t *testing.T) func(*testing.T) queuetest.Process {
		path := filepath.Join(t.TempDir(), "a queue?.db")
		return func(t *testing.T) queuetest.Process {
			return start(t, sqlitequeue.Config{Path: path, Visibility: f.Visibility, MaxAttempts: f.MaxAttempts})
		}
	})
}
