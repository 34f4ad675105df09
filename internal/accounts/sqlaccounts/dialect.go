package sqlaccounts

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
)

// dialect is what differs between databases.
type dialect interface {
	// open returns a pool for reading and one for writing, which may be the same. It need not reach the database.
	open() (read, write *sql.DB, err error)
	// lock returns what is run first in the transaction of the migrations, so that of several processes one migrates at a
	// time; it is empty where beginning a transaction does that already.
	lock() string
	// fault tells what an error of the database is to the caller, and to the pool.
	fault(err error) fault
	// timeout bounds a call, with all its attempts; 0 is no bound.
	timeout() time.Duration
}

// fault is what is to be done about an error. The zero fault is a mistake of ours.
type fault struct {
	// broken connections are closed rather than used again.
	broken bool
	// again tells that the same statement may work on another connection, now or in a moment. Each statement has the same
	// effect when it is run twice, because the first run may have worked and only its answer been lost.
	again bool
	// away tells that the database does not do its part; it may come back by itself.
	away bool
	// settings is for the operator, and says what is wrong with the settings; the database works.
	settings string
}

func dialectOf(dbURL string) (dialect, error) {
	scheme, rest, _ := strings.Cut(dbURL, ":")
	switch scheme {
	case "sqlite":
		return newSQLite(rest)
	case "postgres", "postgresql":
		return newPostgres(dbURL)
	default:
		// The URL itself may carry a password, so it is not repeated.
		return nil, badURL("URLs of the kind %q are not supported; use postgres://user:password@host:5432/database or sqlite:/absolute/path.db", scheme)
	}
}

func badURL(format string, args ...any) error {
	return caption.Errorf(caption.KindInvalid, "The URL of the accounts database is wrong: %s.", fmt.Sprintf(format, args...)).WithCode("bad_settings")
}
