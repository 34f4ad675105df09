package sqlitequeue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s-scalers/internal/caption"
)

// delivery is a task that this process has taken.
type delivery struct {
	q       *Queue
	id      int64
	lease   int64
	attempt int
	task    caption.Task

	// mu is held while the delivery is being settled, so that Run does not take a task that was just acknowledged for
	// a lost one.
	mu      sync.Mutex
	settled bool
	lost    chan struct{}
	isLost  bool
}

// Receive takes the task that was published first among those that are ready. Without [Queue.Run] beside it, tasks that
// were retried with a delay do not come back, and leases end unextended.
func (q *Queue) Receive(ctx context.Context) (caption.Delivery, error) {
	for {
		// Asked for before the look into the file, so that no task slips in between the look and the wait.
		wake := q.wakeup()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := q.claim(ctx)
		switch {
		case err == nil:
			return d, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.Is(err, sql.ErrNoRows):
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.closed:
			return nil, errClosed
		case <-wake:
		}
	}
}

// claim takes the next task, or returns [sql.ErrNoRows].
func (q *Queue) claim(ctx context.Context) (*delivery, error) {
	d := &delivery{q: q, lost: make(chan struct{})}
	var body string
	err := q.write(ctx, "take a task", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `update task set state = 'taken', attempts = attempts + 1, lease = lease + 1, due = ?
			where id = (select id from task indexed by task_ready where state = 'ready' order by id limit 1)
			returning id, lease, attempts, body`, ceilMillis(q.cfg.Now().Add(q.cfg.Visibility)),
		).Scan(&d.id, &d.lease, &d.attempt, &body)
	})
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	q.held[d] = struct{}{}
	q.mu.Unlock()
	if err := json.Unmarshal([]byte(body), &d.task); err != nil {
		err = fmt.Errorf("read task %d: %w", d.id, err)
		return nil, errors.Join(err, d.Bury(ctx, err.Error()))
	}
	return d, nil
}

func (d *delivery) Task() caption.Task    { return d.task }
func (d *delivery) Attempt() int          { return d.attempt }
func (d *delivery) Lost() <-chan struct{} { return d.lost }

func (d *delivery) Ack(ctx context.Context) error {
	return d.settle(ctx, "acknowledge", `delete from task where id = ? and lease = ? and state = 'taken'`, d.id, d.lease)
}

func (d *delivery) Release(ctx context.Context) error {
	err := d.settle(ctx, "release", `update task set state = 'ready', attempts = attempts - 1
		where id = ? and lease = ? and state = 'taken'`, d.id, d.lease)
	if err == nil {
		d.q.wakeReceivers()
	}
	return err
}

func (d *delivery) Retry(ctx context.Context, after time.Duration, cause string) error {
	now := d.q.cfg.Now()
	switch {
	case d.attempt >= d.q.cfg.MaxAttempts:
		return d.Bury(ctx, cause)
	case after <= 0:
		err := d.settle(ctx, "retry", `update task set state = 'ready', cause = ?
			where id = ? and lease = ? and state = 'taken'`, cause, d.id, d.lease)
		if err == nil {
			d.q.wakeReceivers()
		}
		return err
	}
	err := d.settle(ctx, "retry", `update task set state = 'delayed', due = ?, cause = ?
		where id = ? and lease = ? and state = 'taken'`, ceilMillis(now.Add(after)), cause, d.id, d.lease)
	if err == nil {
		d.q.pokeRun()
	}
	return err
}

func (d *delivery) Bury(ctx context.Context, cause string) error {
	return d.settle(ctx, "bury", `update task set state = 'dead', died = ?, cause = ?
		where id = ? and lease = ? and state = 'taken'`, d.q.cfg.Now().UnixMilli(), cause, d.id, d.lease)
}

// settle runs a statement that changes the task only while the lease is d's.
func (d *delivery) settle(ctx context.Context, doing, statement string, args ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.q.exec(ctx, doing+" a task", statement, args...)
	// Also after an error: a holder who cannot settle may give up, and the task must then come back when its lease
	// ends rather than stay taken as long as the process lives. Settling may still be tried again before.
	d.q.forget(d)
	switch {
	case err != nil:
		return err
	case n == 0:
		d.loseLocked()
		return caption.Errorf(caption.KindConflict, "The task is no longer held by this delivery.").WithCode("task_lost")
	}
	d.settled = true
	return nil
}

// lose closes Lost, unless the delivery was settled meanwhile.
func (d *delivery) lose() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loseLocked()
}

func (d *delivery) loseLocked() {
	if !d.settled && !d.isLost {
		d.isLost = true
		close(d.lost)
	}
}

func (q *Queue) forget(d *delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.held, d)
}
