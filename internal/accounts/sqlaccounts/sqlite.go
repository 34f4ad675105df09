package sqlaccounts

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// sqliteReaders is how many connections read at a time. With WAL they do not wait for the writer.
const sqliteReaders = 4

// sqlite is a file.
type sqlite struct{ path string }

func newSQLite(path string) (dialect, error) {
	if !filepath.IsAbs(path) {
		return nil, badURL("it must have the form sqlite:/absolute/path.db")
	}
	return sqlite{filepath.Clean(path)}, nil
}

func (sqlite) lock() string           { return "" }
func (sqlite) timeout() time.Duration { return 0 }
func (sqlite) fault(error) fault      { return fault{} }

// open opens the file. All writes go through one connection, as SQLite has one writer at a time anyway and a queue in
// this process is fairer and quicker than its lock. Every commit is synced to the disk: an exchanged refresh token
// must stay exchanged, and an ended session ended, after a power cut.
func (d sqlite) open() (read, write *sql.DB, err error) {
	// The file holds password hashes and signing keys. SQLite gives its companions (-wal, -shm) the same permissions.
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Close(); err != nil {
		return nil, nil, err
	}
	dsn := func(pragmas ...string) string {
		q := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{"busy_timeout(10000)"}, pragmas...)}
		return (&url.URL{Scheme: "file", Path: d.path, RawQuery: q.Encode()}).String()
	}
	write, err = sql.Open("sqlite", dsn("journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"))
	if err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1)
	read, err = sql.Open("sqlite", dsn("query_only(1)"))
	if err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(sqliteReaders)
	read.SetMaxIdleConns(sqliteReaders)
	return read, write, nil
}
