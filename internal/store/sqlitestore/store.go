// Package sqlitestore keeps jobs, the results of their segments, transcripts and videos in one SQLite file, for the
// deployment in which one process is all there is. Searching uses FTS5. What a change of state means is the business
// of the services.
package sqlitestore

import (
	"context"
	"database/sql"
	"time"

	"k8s-scalers/internal/caption"
)

// Config says where the store is. Only Path must be set.
type Config struct {
	// Path is the file; it is created where it does not exist. At most one process writes to it.
	Path string
	Now  func() time.Time
}

// Store implements [caption.Jobs], [caption.JobLists], [caption.Segments], [caption.Transcripts] and [caption.Videos].
type Store struct {
	// writer is one connection: SQLite has one writer at a time, and here they queue up in Go, in order, rather than
	// poll for its lock. reader is a pool, whose connections see the last commit and never wait for the writer.
	writer, reader *sql.DB
	now            func() time.Time
}

// Open opens the store, and brings a file of an earlier version up to date.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	writer, reader, err := openFile(ctx, cfg.Path)
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Store{writer: writer, reader: reader, now: cfg.Now}, nil
}

// Close closes the file.
func (s *Store) Close() error {
	err := s.reader.Close()
	// The writer last: the last connection folds the write-ahead log into the file.
	if err2 := s.writer.Close(); err == nil {
		err = err2
	}
	return err
}

// write runs change in a transaction. ctx ends the wait for the file, but not a transaction that has begun: it takes
// milliseconds, and a caller who is told that it failed must be able to believe that.
func (s *Store) write(ctx context.Context, doing string, change func(context.Context, *sql.Tx) error) error {
	conn, err := s.writer.Conn(ctx)
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

// querier is a [sql.DB] or a [sql.Tx].
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// millis returns the time as it is stored; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func noJob() error { return caption.Errorf(caption.KindNotFound, "There is no such caption job.") }
