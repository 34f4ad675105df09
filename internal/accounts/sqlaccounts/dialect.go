package sqlaccounts

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// dialect is what differs between databases.
type dialect struct {
	// open returns a pool for reading and one for writing, which may be the same.
	open func() (read, write *sql.DB, err error)
	// lock is run first in the transaction of the migrations, so that of several processes one migrates at a time; empty
	// where beginning a transaction does that already.
	lock string
}

func dialectOf(dbURL string) (dialect, error) {
	scheme, rest, _ := strings.Cut(dbURL, ":")
	switch scheme {
	case "sqlite":
		if !filepath.IsAbs(rest) {
			return dialect{}, fmt.Errorf("accounts database: the URL must have the form sqlite:/absolute/path.db, not %q", dbURL)
		}
		return dialect{open: func() (read, write *sql.DB, err error) { return openSQLite(filepath.Clean(rest)) }}, nil
	default:
		// The URL itself may carry a password, so it is not repeated.
		return dialect{}, fmt.Errorf("accounts database: URLs of the kind %q are not supported; use sqlite:/absolute/path.db", scheme)
	}
}

// sqliteReaders is how many connections read at a time. With WAL they do not wait for the writer.
const sqliteReaders = 4

// openSQLite opens a file. All writes go through one connection, as SQLite has one writer at a time anyway and a queue in
// this process is fairer and quicker than its lock. Every commit is synced to the disk: an exchanged refresh token
// must stay exchanged, and an ended session ended, after a power cut.
func openSQLite(path string) (read, write *sql.DB, err error) {
	// The file holds password hashes and signing keys. SQLite gives its companions (-wal, -shm) the same permissions.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Close(); err != nil {
		return nil, nil, err
	}
	dsn := func(pragmas ...string) string {
		q := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{"busy_timeout(10000)"}, pragmas...)}
		return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
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
