package sqlitequeue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"k8s-scalers/internal/caption"
)

// schemaVersion is kept in the file's user_version; 0 is a new file.
const schemaVersion = 1

// openFile opens the file, readable for its owner only, and creates the schema in a new one.
func openFile(ctx context.Context, path string) (*sql.DB, error) {
	// Absolute, because the pool may open the file again after somebody has changed the working directory.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault("open queue", err)
	}
	if err := f.Close(); err != nil {
		return nil, fault("open queue", err)
	}
	// FULL, because a task that Publish has confirmed must survive a power loss.
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "_txlock=immediate&_pragma=busy_timeout(5000)" +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=journal_size_limit(16777216)"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fault("open queue", err)
	}
	// SQLite has one writer at a time. One connection lets them queue up in Go, in order, rather than poll for the lock.
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db); err != nil {
		_ = db.Close() // The first error is the one that matters.
		return nil, fault("open queue "+path, err)
	}
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // Does nothing after Commit.
	var version int
	if err := tx.QueryRowContext(ctx, `pragma user_version`).Scan(&version); err != nil {
		return err
	}
	switch version {
	case schemaVersion:
		return nil
	case 0:
		if _, err := tx.ExecContext(ctx, schema+fmt.Sprintf("; pragma user_version = %d", schemaVersion)); err != nil {
			return err
		}
		return tx.Commit()
	default:
		return fmt.Errorf("the file has version %d, this program knows versions up to %d: use a newer program", version, schemaVersion)
	}
}

// fault says what was being done when err happened, and gives the faults that a user can do something about their kind.
func fault(doing string, err error) error {
	err = fmt.Errorf("%s: %w", doing, err)
	code := 0
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		code = e.Code()
	}
	switch {
	case code&0xff == sqlite3.SQLITE_FULL, code == sqlite3.SQLITE_IOERR_SHMSIZE, errors.Is(err, syscall.ENOSPC):
		return caption.Errorf(caption.KindUnavailable, "The server's disk is full. Free some space on it, then try again.").
			WithCode("storage_full").WithCause(err)
	case code&0xff == sqlite3.SQLITE_BUSY, code&0xff == sqlite3.SQLITE_LOCKED:
		return caption.Errorf(caption.KindUnavailable, "The task queue is busy. Try again in a moment.").WithCause(err)
	}
	return err
}
