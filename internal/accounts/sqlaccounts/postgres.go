package sqlaccounts

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// postgresTimeout bounds each call, with all its attempts: those who ask are people at a login form.
	postgresTimeout = 5 * time.Second
	// postgresConnectTimeout bounds one attempt to connect, unless the URL has a connect_timeout.
	postgresConnectTimeout = 3 * time.Second
	// postgresConns is how many connections a process has at most, unless the URL has a pool_max_conns.
	postgresConns = 10
	// migrationLock is the number of the advisory lock that one migrates under. It says "captions" in ASCII.
	migrationLock = 0x63617074696f6e73
)

// postgres is a server, or several of which one is the primary.
type postgres struct {
	config *pgx.ConnConfig
	conns  int
}

// newPostgres reads postgres://user:password@host:port/database, with the parameters of libpq (sslmode, sslrootcert,
// connect_timeout, target_session_attrs, …), those of pgx, settings of the server (statement_timeout, …), and
// pool_max_conns. No error repeats the URL, which may have a password in it.
func newPostgres(dbURL string) (dialect, error) {
	const form = "it must look like postgres://user:password@host:5432/database?sslmode=verify-full; special characters in the password must be percent-encoded"
	u, err := url.Parse(dbURL)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" {
		return nil, badURL(form)
	}
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, badURL("what follows the question mark cannot be read")
	}
	d := postgres{conns: postgresConns}
	if n := params.Get("pool_max_conns"); n != "" {
		if d.conns, err = strconv.Atoi(n); err != nil || d.conns < 1 {
			return nil, badURL("pool_max_conns=%q must be a number of connections, at least 1", n)
		}
		params.Del("pool_max_conns")
		u.RawQuery = params.Encode()
	}
	if d.config, err = pgx.ParseConfig(u.String()); err != nil {
		// The text of the error has the URL, and of its cause too much: only what is known to be harmless is told.
		if cause := errors.Unwrap(err); cause != nil && (params.Has("sslmode") || params.Has("sslrootcert")) && isTLSText(cause.Error()) {
			return nil, badURL("%s", cause)
		}
		return nil, badURL("one of its parameters cannot be read; " + form)
	}
	if !params.Has("connect_timeout") {
		d.config.ConnectTimeout = postgresConnectTimeout
	}
	defaults := map[string]string{
		"application_name": "captions",
		// The server must not go on with what nobody waits for. Where a pooler in between refuses to be told, the URL has
		// statement_timeout=0.
		"statement_timeout": strconv.FormatInt(postgresTimeout.Milliseconds(), 10),
	}
	for name, value := range defaults {
		if d.config.RuntimeParams[name] == "" {
			d.config.RuntimeParams[name] = value
		}
	}
	if d.config.RuntimeParams["statement_timeout"] == "0" {
		delete(d.config.RuntimeParams, "statement_timeout")
	}
	return d, nil
}

func isTLSText(s string) bool {
	return strings.HasPrefix(s, "sslmode") || strings.HasPrefix(s, "unable to ") || strings.Contains(s, "CA ")
}

// open connects to nothing yet.
func (d postgres) open() (read, write *sql.DB, err error) {
	db := stdlib.OpenDB(*d.config)
	db.SetMaxOpenConns(d.conns)
	db.SetMaxIdleConns(d.conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	// Names of servers come to mean others, and a server that was added should get its share.
	db.SetConnMaxLifetime(30 * time.Minute)
	return db, db, nil
}

// lock also lets the wait, and the migrations, take as long as they need.
func (postgres) lock() string {
	return fmt.Sprintf("SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(%d)", int64(migrationLock))
}

func (postgres) timeout() time.Duration { return postgresTimeout }

// fault reads the class of PostgreSQL's own errors, and takes whatever happened on the way there for an absence.
func (postgres) fault(err error) fault {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return serverFault(e)
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault{away: true, settings: "the server's certificate is not accepted: " + e.Err.Error()}
	}
	_, refused := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	switch {
	case pgconn.Timeout(err), errors.Is(err, context.DeadlineExceeded):
		return fault{broken: true, away: true}
	case refused, network, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, driver.ErrBadConn),
		errors.Is(err, sql.ErrConnDone), errors.Is(err, pgconn.ErrConnClosed), errors.Is(err, net.ErrClosed):
		return fault{broken: true, away: true, again: true}
	}
	return fault{}
}

func serverFault(e *pgconn.PgError) fault {
	switch class := e.Code[:min(2, len(e.Code))]; {
	case e.Code == "57014": // Cancelled, by statement_timeout or an administrator.
		return fault{away: true}
	case e.Code == "25006": // Read only: what was the primary has become a standby.
		return fault{broken: true, away: true, again: true}
	case class == "08", class == "57": // The connection failed; the server shuts down, starts, or was crashed by another.
		return fault{broken: true, away: true, again: true}
	case e.Code == "53300", e.Code == "40001", e.Code == "40P01", e.Code == "55P03": // Too many connections; in each other's way.
		return fault{away: true, again: true}
	case class == "53": // Out of disk space or memory.
		return fault{away: true}
	case class == "28", e.Code == "3D000": // It refuses the user or the password, or has no such database.
		return fault{broken: true, away: true, settings: "the server says: " + e.Message}
	case e.Code == "42501": // It refuses to create a table, say.
		return fault{settings: "the user of the URL may not do what it must (create tables in the schema, read and write them); the server says: " + e.Message}
	}
	return fault{}
}
