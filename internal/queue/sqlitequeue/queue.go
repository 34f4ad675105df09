// Package sqlitequeue is the task queue in a SQLite file, for the deployment in which one process is all there is. A
// task that is delivered is leased: a token fences off holders who come too late, and the lease ends unless [Queue.Run]
// extends it. What the tasks mean, and when a failed one is worth another try, is the business of the worker.
package sqlitequeue

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s-scalers/internal/caption"
)

//go:embed schema.sql
var schema string

// Config says where the queue is and how it delivers. Only Path must be set.
type Config struct {
	// Path is the queue's file; it is created where it does not exist. At most one process has it open at a time,
	// which the caller sees to: Open frees every lease that it finds.
	Path string
	// Visibility is how long a task stays taken after its last sign of life; 0 means 30 s.
	Visibility time.Duration
	// MaxAttempts is how often a task is delivered before it becomes a dead letter; 0 means 5.
	MaxAttempts int
	Now         func() time.Time
	Logger      *slog.Logger
}

// Queue is a queue in a file. It implements [caption.Publisher], [caption.Consumer], [caption.DeadLetters] and
// [caption.QueueStatser].
type Queue struct {
	db     *sql.DB
	cfg    Config
	closed chan struct{}
	close  func() error
	// poke tells Run that something falls due earlier than it knew.
	poke chan struct{}

	mu   sync.Mutex
	wake chan struct{} // closed, and replaced, when tasks have become ready
	held map[*delivery]struct{}
}

// Open opens the queue. Tasks that a killed process had taken are ready again at once; their delivery stays counted.
// The queue needs [Queue.Run] to run beside it.
func Open(ctx context.Context, cfg Config) (*Queue, error) {
	if cfg.Visibility == 0 {
		cfg.Visibility = 30 * time.Second
	}
	if cfg.MaxAttempts == 0 {
		cfg.MaxAttempts = 5
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := openFile(ctx, cfg.Path)
	if err != nil {
		return nil, err
	}
	q := &Queue{
		db: db, cfg: cfg, closed: make(chan struct{}), poke: make(chan struct{}, 1),
		wake: make(chan struct{}), held: map[*delivery]struct{}{},
	}
	q.close = sync.OnceValue(func() error {
		close(q.closed)
		return db.Close()
	})
	if err := q.freeLeases(ctx); err != nil {
		_ = q.close() // The first error is the one that matters.
		return nil, err
	}
	return q, nil
}

// Close closes the file. Deliveries that are not settled by then count as an attempt and are delivered again after the
// next Open. Calls that wait in Receive return an error.
func (q *Queue) Close() error { return q.close() }

// Publish stores the tasks, all or none.
func (q *Queue) Publish(ctx context.Context, tasks ...caption.Task) error {
	if len(tasks) == 0 {
		return nil
	}
	now := q.cfg.Now().UnixMilli()
	err := q.write(ctx, "publish tasks", func(ctx context.Context, tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `insert into task (body, state, enqueued) values (?, 'ready', ?)`)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }() // The transaction says whether it worked.
		for _, t := range tasks {
			body, err := json.Marshal(t)
			if err != nil {
				return err
			}
			if _, err := insert.ExecContext(ctx, string(body), now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	q.wakeReceivers()
	return nil
}

// QueueStats counts the tasks.
func (q *Queue) QueueStats(ctx context.Context) (caption.QueueStats, error) {
	var s caption.QueueStats
	var oldest sql.NullInt64
	err := q.db.QueryRowContext(ctx, `select
		(select count(*) from task indexed by task_waiting where state in ('ready', 'delayed')),
		(select count(*) from task indexed by task_due where state in ('delayed', 'taken') and state = 'taken'),
		(select count(*) from task indexed by task_dead where state = 'dead'),
		(select min(enqueued) from task indexed by task_waiting where state in ('ready', 'delayed'))`,
	).Scan(&s.Ready, &s.Taken, &s.Dead, &oldest)
	if err != nil {
		return caption.QueueStats{}, fault("count tasks", err)
	}
	if oldest.Valid {
		s.OldestAge = max(0, q.cfg.Now().Sub(time.UnixMilli(oldest.Int64)))
	}
	return s, nil
}

// write runs change in a transaction. ctx ends the wait for the file, but not a transaction that has begun: it takes
// milliseconds, and a caller who is told that it failed must be able to believe that.
func (q *Queue) write(ctx context.Context, doing string, change func(context.Context, *sql.Tx) error) error {
	conn, err := q.db.Conn(ctx)
	if err != nil {
		return fault(doing, err)
	}
	defer func() { _ = conn.Close() }() // It goes back to the pool; that cannot fail in a way that matters.
	ctx = context.WithoutCancel(ctx)
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fault(doing, err)
	}
	if err := change(ctx, tx); err != nil {
		_ = tx.Rollback() // The first error is the one that matters.
		return fault(doing, err)
	}
	if err := tx.Commit(); err != nil {
		return fault(doing, err)
	}
	return nil
}

// exec runs one statement and returns how many rows it changed.
func (q *Queue) exec(ctx context.Context, doing, statement string, args ...any) (n int64, err error) {
	err = q.write(ctx, doing, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}

// wakeReceivers makes every waiting Receive look again.
func (q *Queue) wakeReceivers() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.wake)
	q.wake = make(chan struct{})
}

func (q *Queue) wakeup() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.wake
}

func (q *Queue) pokeRun() {
	select {
	case q.poke <- struct{}{}:
	default: // It has been told already.
	}
}

var errClosed = fmt.Errorf("the queue is closed")
