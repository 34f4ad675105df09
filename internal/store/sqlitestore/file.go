package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
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

// migrations are applied in the order of their names. The file's user_version is how many have been; one that was
// released is never edited.
//
//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many reads run at the same time; more wait.
const readers = 4

// openFile opens the file, readable for its owner only, once for writing and once for reading.
func openFile(ctx context.Context, path string) (writer, reader *sql.DB, err error) {
	// Absolute, because the pool may open the file again after somebody has changed the working directory.
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open store: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fault("open store", err)
	}
	if err := f.Close(); err != nil {
		return nil, nil, fault("open store", err)
	}
	// FULL, because NORMAL loses the last commits when the power fails: an upload that was said to be complete, or a job
	// that was accepted. It costs one fsync a change, and changes come at the pace of segments.
	writer, err = openPool(path, 1, "_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=journal_size_limit(67108864)")
	if err != nil {
		return nil, nil, err
	}
	if err := migrate(ctx, writer); err != nil {
		_ = writer.Close() // The first error is the one that matters.
		return nil, nil, fault("open store "+path, err)
	}
	reader, err = openPool(path, readers, "_pragma=query_only(1)")
	if err != nil {
		_ = writer.Close() // The first error is the one that matters.
		return nil, nil, err
	}
	return writer, reader, nil
}

func openPool(path string, connections int, settings string) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(5000)&" + settings}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fault("open store", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	var version int
	if err := db.QueryRowContext(ctx, `pragma user_version`).Scan(&version); err != nil {
		return err
	}
	if version > len(files) {
		return fmt.Errorf("the file has version %d, this program knows versions up to %d: use a newer program", version, len(files))
	}
	for i, f := range files[version:] {
		script, err := migrations.ReadFile("migrations/" + f.Name())
		if err != nil {
			return err
		}
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, string(script)+fmt.Sprintf("; pragma user_version = %d", version+i+1))
		if err != nil {
			_ = tx.Rollback() // The first error is the one that matters.
			return fmt.Errorf("migrate by %s: %w", f.Name(), err)
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("migrate by %s: %w", f.Name(), err)
		}
	}
	return nil
}

// fault says what was being done when err happened, and gives the faults that a user can do something about their kind.
func fault(doing string, err error) error {
	if _, ok := errors.AsType[*caption.Error](err); ok {
		return err
	}
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
		return caption.Errorf(caption.KindUnavailable, "The store is busy. Try again in a moment.").WithCause(err)
	}
	return err
}
