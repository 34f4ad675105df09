package sqlitequeue

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"k8s-scalers/internal/caption"
)

// DeadLetters returns the tasks that were given up, oldest death first.
func (q *Queue) DeadLetters(ctx context.Context, limit int) ([]caption.DeadLetter, error) {
	rows, err := q.db.QueryContext(ctx, `select id, body, attempts, cause, died
		from task indexed by task_dead where state = 'dead' order by died, id limit ?`, max(limit, 0))
	if err != nil {
		return nil, fault("list dead letters", err)
	}
	defer func() { _ = rows.Close() }() // Err tells of every fault.
	var letters []caption.DeadLetter
	for rows.Next() {
		var l caption.DeadLetter
		var id, died int64
		var body string
		if err := rows.Scan(&id, &body, &l.Attempts, &l.Cause, &died); err != nil {
			return nil, fault("list dead letters", err)
		}
		// A task that cannot be read is listed without its content: listing it is how an operator finds out.
		if err := json.Unmarshal([]byte(body), &l.Task); err != nil {
			l.Cause = fmt.Sprintf("%s (the task cannot be read: %v)", l.Cause, err)
		}
		l.ID, l.Died = strconv.FormatInt(id, 10), time.UnixMilli(died).UTC()
		letters = append(letters, l)
	}
	if err := rows.Err(); err != nil {
		return nil, fault("list dead letters", err)
	}
	return letters, nil
}

// RetryDeadLetter puts a dead letter back on the queue, as if it had been published now.
func (q *Queue) RetryDeadLetter(ctx context.Context, id string) error {
	err := q.execDead(ctx, "retry a dead letter", id, `update task set state = 'ready', attempts = 0, cause = '', died = 0, enqueued = ?
		where id = ? and state = 'dead'`, q.cfg.Now().UnixMilli())
	if err == nil {
		q.wakeReceivers()
	}
	return err
}

// DropDeadLetter removes a dead letter.
func (q *Queue) DropDeadLetter(ctx context.Context, id string) error {
	return q.execDead(ctx, "drop a dead letter", id, `delete from task where id = ? and state = 'dead'`)
}

// execDead runs a statement on the dead letter, whose number is the last argument.
func (q *Queue) execDead(ctx context.Context, doing, id, statement string, args ...any) error {
	notFound := caption.Errorf(caption.KindNotFound, "There is no dead letter with this id.")
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return notFound
	}
	changed, err := q.exec(ctx, doing, statement, append(args, n)...)
	if err != nil {
		return err
	}
	if changed == 0 {
		return notFound
	}
	return nil
}
