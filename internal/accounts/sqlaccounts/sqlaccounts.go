// Package sqlaccounts stores accounts in an SQL database: PostgreSQL, or a SQLite file for the deployment in which one
// process is all there is. The statements and the schema are the same for both; what differs is behind dialect.
//
// Each method changes the database with one statement, so none needs a transaction of its own; and each statement has the
// same effect when it is run twice, so that one whose answer got lost can be run again.
package sqlaccounts

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/caption"
)

// Store implements [accounts.Store]. Where the database is a server, calls fail with [caption.KindUnavailable] while it is
// away, and work again when it is back.
type Store struct {
	dialect     dialect
	read, write *sql.DB
	closed      atomic.Bool

	migrating chan struct{} // has one place: for who migrates
	migrated  atomic.Bool
}

var _ accounts.Store = (*Store)(nil)

// Open opens the database of a URL, creates it where it can, and brings its schema up to date. URLs are
//
//	sqlite:/absolute/path/of/a/file.db     the folder of the file must exist
//	postgres://user:password@host:5432/database?sslmode=verify-full
//
// For the parameters of the latter see newPostgres. A PostgreSQL that is away is no error: the schema is then brought up to date
// by the first call that finds it back. One that refuses the user, or has no such database, is.
func Open(ctx context.Context, url string) (*Store, error) {
	d, err := dialectOf(url)
	if err != nil {
		return nil, err
	}
	s := &Store{dialect: d, migrating: make(chan struct{}, 1)}
	if s.read, s.write, err = d.open(); err != nil {
		return nil, fmt.Errorf("open accounts database: %w", err)
	}
	err = s.prepare(ctx)
	if f := d.fault(err); err != nil && f.settings != "" {
		err = caption.Errorf(caption.KindInvalid, "The accounts database cannot be used: %s.", f.settings).WithCode("bad_settings").WithCause(err)
	}
	if err != nil && caption.KindOf(err) != caption.KindUnavailable {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the database.
func (s *Store) Close() error {
	s.closed.Store(true)
	err := s.write.Close()
	if s.read != s.write {
		err = errors.Join(err, s.read.Close())
	}
	return err
}

// Ping returns nil when the database answers: for readiness.
func (s *Store) Ping(ctx context.Context) error {
	return s.call(ctx, "ask whether the accounts database answers", s.read, func(ctx context.Context, conn *sql.Conn) error {
		return conn.PingContext(ctx)
	})
}

// migrationTimeout bounds the wait for others who migrate, and the migration itself.
const migrationTimeout = time.Minute

// prepare brings the schema up to date, once.
func (s *Store) prepare(ctx context.Context) error {
	if s.migrated.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	const doing = "migrate accounts database"
	select {
	case s.migrating <- struct{}{}:
	case <-ctx.Done():
		return s.explain(ctx, doing, ctx.Err())
	}
	defer func() { <-s.migrating }()
	if s.migrated.Load() {
		return nil
	}
	if err := migrate(ctx, s.write, s.dialect.lock()); err != nil {
		return s.explain(ctx, doing, err)
	}
	s.migrated.Store(true)
	return nil
}

// CreateUser implements [accounts.Users].
func (s *Store) CreateUser(ctx context.Context, u accounts.User) error {
	n, err := s.exec(ctx, "create user", `INSERT INTO users (id, email, password_hash, created) VALUES ($1, $2, $3, $4)
		ON CONFLICT (email) DO UPDATE SET email = excluded.email WHERE users.id = excluded.id`, u.ID, u.Email, u.PasswordHash, micros(u.Created))
	if err == nil && n == 0 {
		return accounts.ErrEmailTaken()
	}
	return err
}

// User implements [accounts.Users].
func (s *Store) User(ctx context.Context, id string) (accounts.User, error) {
	return s.user(ctx, `SELECT id, email, password_hash, created FROM users WHERE id = $1`, id)
}

// UserByEmail implements [accounts.Users].
func (s *Store) UserByEmail(ctx context.Context, email string) (accounts.User, error) {
	return s.user(ctx, `SELECT id, email, password_hash, created FROM users WHERE email = $1`, email)
}

func (s *Store) user(ctx context.Context, query, arg string) (accounts.User, error) {
	var u accounts.User
	var created int64
	err := s.call(ctx, "read user", s.read, func(ctx context.Context, conn *sql.Conn) error {
		return conn.QueryRowContext(ctx, query, arg).Scan(&u.ID, &u.Email, &u.PasswordHash, &created)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return accounts.User{}, caption.Errorf(caption.KindNotFound, "There is no such user.")
	}
	if err != nil {
		return accounts.User{}, err
	}
	u.Created = instant(created)
	return u, nil
}

// ReplacePasswordHash implements [accounts.Users].
func (s *Store) ReplacePasswordHash(ctx context.Context, id, old, hash string) error {
	n, err := s.exec(ctx, "replace password hash", `UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash IN ($3, $1)`, hash, id, old)
	if err == nil && n == 0 {
		return caption.Errorf(caption.KindConflict, "The password was changed at the same time.")
	}
	return err
}

// CreateSession implements [accounts.Sessions].
func (s *Store) CreateSession(ctx context.Context, x accounts.Session) error {
	_, err := s.exec(ctx, "create session", `INSERT INTO sessions (id, user_id, current, previous, seed, rotated, created, expires)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
		x.ID, x.UserID, x.Current, x.Previous, x.Seed, micros(x.Rotated), micros(x.Created), micros(x.Expires))
	return err
}

// Session implements [accounts.Sessions].
func (s *Store) Session(ctx context.Context, id string) (accounts.Session, error) {
	x := accounts.Session{ID: id}
	var rotated, created, expires int64
	err := s.call(ctx, "read session", s.read, func(ctx context.Context, conn *sql.Conn) error {
		return conn.QueryRowContext(ctx, `SELECT user_id, current, previous, seed, rotated, created, expires FROM sessions WHERE id = $1`, id).
			Scan(&x.UserID, &x.Current, &x.Previous, &x.Seed, &rotated, &created, &expires)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return accounts.Session{}, caption.Errorf(caption.KindNotFound, "There is no such session.")
	}
	if err != nil {
		return accounts.Session{}, err
	}
	x.Rotated, x.Created, x.Expires = instant(rotated), instant(created), instant(expires)
	return x, nil
}

// RotateSession implements [accounts.Sessions].
func (s *Store) RotateSession(ctx context.Context, next accounts.Session) error {
	n, err := s.exec(ctx, "rotate session", `UPDATE sessions SET current = $1, previous = $2, seed = $3, rotated = $4, expires = $5
		WHERE id = $6 AND (current = $2 OR current = $1 AND previous = $2)`, next.Current, next.Previous, next.Seed, micros(next.Rotated), micros(next.Expires), next.ID)
	if err == nil && n == 0 {
		return caption.Errorf(caption.KindConflict, "The refresh token is no longer the current one.")
	}
	return err
}

// EndSession implements [accounts.Sessions].
func (s *Store) EndSession(ctx context.Context, id string) error {
	_, err := s.exec(ctx, "end session", `DELETE FROM sessions WHERE id = $1`, id)
	return err
}

// PurgeSessions implements [accounts.SessionPurger].
func (s *Store) PurgeSessions(ctx context.Context, t time.Time) (int, error) {
	return s.exec(ctx, "purge sessions", `DELETE FROM sessions WHERE expires <= $1`, micros(t))
}

// Keys implements [accounts.Keys].
func (s *Store) Keys(ctx context.Context) ([]accounts.SigningKey, error) {
	var keys []accounts.SigningKey
	err := s.call(ctx, "read signing keys", s.read, func(ctx context.Context, conn *sql.Conn) (err error) {
		keys, err = queryKeys(ctx, conn)
		return err
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}

func queryKeys(ctx context.Context, conn *sql.Conn) (keys []accounts.SigningKey, err error) {
	rows, err := conn.QueryContext(ctx, `SELECT id, serial, seed, created, activates FROM signing_keys ORDER BY serial`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k accounts.SigningKey
		var seed string
		var created, activates int64
		if err := rows.Scan(&k.ID, &k.Serial, &seed, &created, &activates); err != nil {
			return nil, err
		}
		if k.Seed, err = base64.StdEncoding.DecodeString(seed); err != nil {
			return nil, fmt.Errorf("seed of key %s: %w", k.ID, err)
		}
		k.Created, k.Activates = instant(created), instant(activates)
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// AddKey implements [accounts.Keys].
func (s *Store) AddKey(ctx context.Context, k accounts.SigningKey) error {
	// To add a key again is a conflict, too: whoever gets one reads the keys, and finds it among them.
	n, err := s.exec(ctx, "add signing key", `INSERT INTO signing_keys (id, serial, seed, created, activates) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`, k.ID, k.Serial, base64.StdEncoding.EncodeToString(k.Seed), micros(k.Created), micros(k.Activates))
	if err == nil && n == 0 {
		return caption.Errorf(caption.KindConflict, "There is a signing key with this serial or id.")
	}
	return err
}

// DropKey implements [accounts.Keys].
func (s *Store) DropKey(ctx context.Context, id string) error {
	_, err := s.exec(ctx, "drop signing key", `DELETE FROM signing_keys WHERE id = $1`, id)
	return err
}

// exec runs one statement and returns how many rows it changed.
func (s *Store) exec(ctx context.Context, doing, statement string, args ...any) (int, error) {
	var n int64
	err := s.call(ctx, doing, s.write, func(ctx context.Context, conn *sql.Conn) error {
		res, err := conn.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return int(n), err
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
