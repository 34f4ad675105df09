package sqlitequeue

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Causes of death of tasks whose holder never said one.
const (
	causeExpired = "its holder stopped answering"
	causeKilled  = "the process ended while it was working on the task"
)

// Run keeps the queue's time until ctx ends, and then returns nil: it extends the leases of this process, takes back
// tasks whose lease has ended, and makes delayed tasks ready. It goes on after an error of the file, which it logs.
func (q *Queue) Run(ctx context.Context) error {
	beat := q.cfg.Visibility / 3
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-q.closed:
			return nil
		case <-timer.C:
		case <-q.poke:
		}
		wait, err := q.tick(ctx)
		if err != nil && ctx.Err() == nil {
			q.cfg.Logger.ErrorContext(ctx, "the task queue cannot extend leases", "error", err)
			wait = beat / 3
		}
		timer.Reset(min(wait, beat))
	}
}

// tick does what is due and returns how long nothing else will be.
func (q *Queue) tick(ctx context.Context) (wait time.Duration, err error) {
	q.mu.Lock()
	held := slices.Collect(maps.Keys(q.held))
	q.mu.Unlock()

	var lost []*delivery
	var ready int64
	var next sql.NullInt64
	err = q.write(ctx, "keep leases", func(ctx context.Context, tx *sql.Tx) error {
		now := q.cfg.Now()
		// Own leases first: after the machine was asleep they look expired, though their holders are at work.
		for _, d := range held {
			n, err := update(ctx, tx, `update task set due = ? where id = ? and lease = ? and state = 'taken'`,
				ceilMillis(now.Add(q.cfg.Visibility)), d.id, d.lease)
			if err != nil {
				return err
			}
			if n == 0 {
				lost = append(lost, d)
			}
		}
		var err error
		if ready, err = q.takeBack(ctx, tx, now, now.UnixMilli(), causeExpired); err != nil {
			return err
		}
		n, err := update(ctx, tx, `update task indexed by task_due set state = 'ready'
			where state in ('delayed', 'taken') and state = 'delayed' and due <= ?`, now.UnixMilli())
		if err != nil {
			return err
		}
		ready += n
		return tx.QueryRowContext(ctx, `select min(due) from task indexed by task_due where state in ('delayed', 'taken')`).Scan(&next)
	})
	if err != nil {
		return 0, err
	}
	for _, d := range lost {
		q.forget(d)
		d.lose()
	}
	if ready > 0 {
		q.wakeReceivers()
	}
	if !next.Valid {
		return q.cfg.Visibility, nil
	}
	return max(0, time.UnixMilli(next.Int64).Sub(q.cfg.Now())), nil
}

// takeBack makes tasks ready whose lease ends by the time due, or dead where they are at the limit of deliveries. It
// returns how many are ready.
func (q *Queue) takeBack(ctx context.Context, tx *sql.Tx, now time.Time, due int64, cause string) (int64, error) {
	dead, err := update(ctx, tx, `update task indexed by task_due set state = 'dead', died = ?,
			cause = ? || case cause when '' then '' else '; before that: ' || cause end
		where state in ('delayed', 'taken') and state = 'taken' and due <= ? and attempts >= ?`,
		now.UnixMilli(), cause, due, q.cfg.MaxAttempts)
	if err != nil {
		return 0, err
	}
	ready, err := update(ctx, tx, `update task indexed by task_due set state = 'ready'
		where state in ('delayed', 'taken') and state = 'taken' and due <= ?`, due)
	if err != nil {
		return 0, err
	}
	if dead+ready > 0 {
		q.cfg.Logger.WarnContext(ctx, "tasks taken back", "cause", cause, "ready", ready, "dead", dead)
	}
	return ready, nil
}

// freeLeases takes back every task: whoever holds one is a process that is no more.
func (q *Queue) freeLeases(ctx context.Context) error {
	return q.write(ctx, "free the leases of the last process", func(ctx context.Context, tx *sql.Tx) error {
		_, err := q.takeBack(ctx, tx, q.cfg.Now(), 1<<62, causeKilled)
		return err
	})
}

// ceilMillis rounds up, so that nothing is due before its time.
func ceilMillis(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

func update(ctx context.Context, tx *sql.Tx, statement string, args ...any) (int64, error) {
	res, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("count changes: %w", err)
	}
	return n, nil
}
