package sqlaccounts

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"k8s-scalers/internal/caption"
)

// pauses are how long is waited before a statement is tried again. They are short: a server that restarts, or one that takes
// over, is worth a moment, and who waits longer is better told so.
var pauses = []time.Duration{50 * time.Millisecond, 250 * time.Millisecond}

// call runs one statement on a connection of the pool. Where the database says so, it runs it again on another.
func (s *Store) call(ctx context.Context, doing string, pool *sql.DB, statement func(context.Context, *sql.Conn) error) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if d := s.dialect.timeout(); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	for attempt := 0; ; attempt++ {
		err := s.attempt(ctx, pool, statement)
		if err == nil {
			return nil
		}
		if !s.dialect.fault(err).again || attempt == len(pauses) || !wait(ctx, pauses[attempt]) {
			return s.explain(ctx, doing, err)
		}
	}
}

func (s *Store) attempt(ctx context.Context, pool *sql.DB, statement func(context.Context, *sql.Conn) error) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // It goes back to the pool; that cannot fail in a way that matters.
	err = statement(ctx, conn)
	if err != nil && s.dialect.fault(err).broken {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // Then the pool does not keep it.
	}
	return err
}

// explain says what was being done when err happened. A user is told when it is the database that does not do its part.
func (s *Store) explain(ctx context.Context, doing string, err error) error {
	away := s.dialect.fault(err).away && !s.closed.Load() && !errors.Is(context.Cause(ctx), context.Canceled)
	err = fmt.Errorf("%s: %w", doing, err)
	if !away {
		return err
	}
	return caption.Errorf(caption.KindUnavailable, "The accounts database cannot be reached. Try again in a moment.").
		WithCode("accounts_unavailable").WithCause(err)
}

// wait returns false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
