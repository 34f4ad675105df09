package sqlitequeue

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func open(t *testing.T, cfg Config) *Queue {
	t.Helper()
	q, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "queue.db") }

func TestFileIsPrivate(t *testing.T) {
	path := newPath(t)
	q := open(t, Config{Path: path})
	require.NoError(t, q.Publish(t.Context(), caption.Task{JobID: "a"}))
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		info, err := os.Stat(f)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Run("a file of a newer program", func(t *testing.T) {
		path := newPath(t)
		q := open(t, Config{Path: path})
		_, err := q.db.ExecContext(t.Context(), "pragma user_version = 99")
		require.NoError(t, err)
		_, err = Open(t.Context(), Config{Path: path})
		require.ErrorContains(t, err, "use a newer program")
	})
	t.Run("a file that is no database", func(t *testing.T) {
		path := newPath(t)
		require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600))
		_, err := Open(t.Context(), Config{Path: path})
		require.ErrorContains(t, err, "not a database")
	})
	t.Run("a folder that does not exist", func(t *testing.T) {
		_, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "none", "queue.db")})
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func TestPathIsFixedAtOpen(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	q := open(t, Config{Path: "queue.db"})
	t.Chdir(t.TempDir())
	q.db.SetMaxIdleConns(-1) // The pool opens the file anew each time.
	require.NoError(t, q.Publish(t.Context(), caption.Task{JobID: "a"}))
	require.NoError(t, q.Close())
	s, err := open(t, Config{Path: filepath.Join(dir, "queue.db")}).QueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, s.Ready)
}

func TestStorageFull(t *testing.T) {
	q := open(t, Config{Path: newPath(t)})
	require.NoError(t, q.Publish(t.Context(), caption.Task{JobID: "first"}))
	_, err := q.db.ExecContext(t.Context(), "pragma max_page_count = 1") // SQLite takes the present size for it.
	require.NoError(t, err)
	var tasks []caption.Task
	for range 1000 {
		tasks = append(tasks, caption.Task{JobID: "too many", Trace: strings.Repeat("x", 100)})
	}
	err = q.Publish(t.Context(), tasks...)
	require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%v", err)
	require.Equal(t, "storage_full", caption.CodeOf(err))

	// Of the tasks that did not fit none was stored, and the queue goes on.
	s, err := q.QueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, s.Ready)
	d, err := q.Receive(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.Ack(t.Context()))
}

// TestFailedSettle shows that a task whose holder could not settle it is not held for ever.
func TestFailedSettle(t *testing.T) {
	now := time.Now()
	q := open(t, Config{Path: newPath(t), Now: func() time.Time { return now }})
	require.NoError(t, q.Publish(t.Context(), caption.Task{JobID: "a"}))
	d, err := q.Receive(t.Context())
	require.NoError(t, err)

	readOnly := func(on string) {
		_, err := q.db.ExecContext(t.Context(), "pragma query_only = "+on)
		require.NoError(t, err)
	}
	readOnly("1")
	require.Error(t, d.Ack(t.Context()))
	readOnly("0")
	now = now.Add(q.cfg.Visibility + time.Second)
	_, err = q.tick(t.Context())
	require.NoError(t, err)
	again, err := q.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, again.Attempt())
	require.Equal(t, caption.KindConflict, caption.KindOf(d.Ack(t.Context())))
}

// TestSleepingMachine shows that leases which ran out while nothing ran are extended rather than taken back.
func TestSleepingMachine(t *testing.T) {
	now := time.Now()
	q := open(t, Config{Path: newPath(t), Now: func() time.Time { return now }})
	require.NoError(t, q.Publish(t.Context(), caption.Task{JobID: "a"}))
	d, err := q.Receive(t.Context())
	require.NoError(t, err)
	now = now.Add(8 * time.Hour)
	_, err = q.tick(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.Ack(t.Context()))
}

func TestUnreadableTaskIsBuried(t *testing.T) {
	q := open(t, Config{Path: newPath(t)})
	require.NoError(t, q.Publish(t.Context(), caption.Task{JobID: "a"}, caption.Task{JobID: "b"}))
	_, err := q.db.ExecContext(t.Context(), "update task set body = '[' where id = 1")
	require.NoError(t, err)
	_, err = q.Receive(t.Context())
	require.ErrorContains(t, err, "read task 1")
	d, err := q.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, "b", d.Task().JobID)
	letters, err := q.DeadLetters(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, letters, 1)
	require.Contains(t, letters[0].Cause, "cannot be read")
}

func TestClosedWhileWaiting(t *testing.T) {
	q := open(t, Config{Path: newPath(t)})
	failed := make(chan error)
	go func() {
		_, err := q.Receive(t.Context())
		failed <- err
	}()
	require.NoError(t, q.Close())
	require.Error(t, <-failed)
	require.NoError(t, q.Close())
	require.NoError(t, q.Run(t.Context()))
}

// TestTime runs hours in no time.
func TestTime(t *testing.T) {
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		q, err := Open(ctx, Config{Path: path})
		require.NoError(t, err)
		done := make(chan error)
		go func() { done <- q.Run(ctx) }()

		require.NoError(t, q.Publish(ctx, caption.Task{JobID: "a"}))
		d, err := q.Receive(ctx)
		require.NoError(t, err)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		select {
		case <-d.Lost():
			require.Fail(t, "lost, though its process lives")
		default:
		}
		start := time.Now()
		require.NoError(t, d.Retry(ctx, 7*time.Hour, "busy"))
		s, err := q.QueueStats(ctx)
		require.NoError(t, err)
		require.Equal(t, caption.QueueStats{Ready: 1, OldestAge: 3 * time.Hour}, s)
		d, err = q.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, 7*time.Hour, time.Since(start))
		require.Equal(t, 2, d.Attempt())

		// A pause that ends before the next heartbeat ends on time, too.
		start = time.Now()
		require.NoError(t, d.Retry(ctx, 1234*time.Millisecond, "busy"))
		d, err = q.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, 1234*time.Millisecond, time.Since(start))
		require.NoError(t, d.Ack(ctx))

		cancel()
		require.NoError(t, <-done)
		require.NoError(t, q.Close())
	})
}

func BenchmarkPublish(b *testing.B) {
	q, err := Open(b.Context(), Config{Path: filepath.Join(b.TempDir(), "queue.db")})
	require.NoError(b, err)
	defer func() { require.NoError(b, q.Close()) }()
	for b.Loop() {
		require.NoError(b, q.Publish(b.Context(), caption.Task{JobID: caption.NewID()}))
	}
}

// BenchmarkReceiveAck takes and acknowledges tasks from a backlog, most of which waits for a retry.
func BenchmarkReceiveAck(b *testing.B) {
	q, err := Open(b.Context(), Config{Path: filepath.Join(b.TempDir(), "queue.db")})
	require.NoError(b, err)
	defer func() { require.NoError(b, q.Close()) }()
	backlog := make([]caption.Task, 20_000)
	for i := range backlog {
		backlog[i].JobID = caption.NewID()
	}
	require.NoError(b, q.Publish(b.Context(), backlog...))
	_, err = q.db.ExecContext(b.Context(), "update task set state = 'delayed', due = 1 << 60 where id < 15000")
	require.NoError(b, err)
	for b.Loop() {
		d, err := q.Receive(b.Context())
		require.NoError(b, err)
		require.NoError(b, d.Ack(b.Context()))
		require.NoError(b, q.Publish(b.Context(), caption.Task{JobID: "next"}))
	}
}
