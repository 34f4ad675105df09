package amqpqueue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"k8s-scalers/internal/caption"
)

// DeadLetters returns the tasks that were given up, in the order in which they were.
func (q *Queue) DeadLetters(ctx context.Context, limit int) ([]caption.DeadLetter, error) {
	var letters []caption.DeadLetter
	err := q.readDead(ctx, func(r *deadReader) error {
		seen := map[string]bool{}
		for len(letters) < limit {
			from, ok, err := r.next(ctx)
			if err != nil || !ok {
				return err
			}
			// A task that was buried twice, because the first time was not known to have worked, is one dead letter.
			if l := q.letter(from); !seen[l.ID] {
				seen[l.ID] = true
				letters = append(letters, l)
			}
		}
		return nil
	})
	if err != nil {
		return nil, unavailable("list dead letters", err)
	}
	return letters, nil
}

// RetryDeadLetter puts a dead letter back on the queue, as if it had been published now.
func (q *Queue) RetryDeadLetter(ctx context.Context, id string) error {
	return q.remove(ctx, "retry a dead letter", id, func(r *deadReader, m message) error {
		return r.publish(ctx, message{to: q.at.jobs(), id: id, published: q.cfg.Now(), body: m.body})
	})
}

// DropDeadLetter removes a dead letter.
func (q *Queue) DropDeadLetter(ctx context.Context, id string) error {
	return q.remove(ctx, "drop a dead letter", id, func(*deadReader, message) error { return nil })
}

// remove looks through all dead letters for one, and removes it after first has succeeded.
func (q *Queue) remove(ctx context.Context, doing, id string, first func(*deadReader, message) error) error {
	found := false
	err := q.readDead(ctx, func(r *deadReader) error {
		for {
			from, ok, err := r.next(ctx)
			if err != nil || !ok {
				return err
			}
			if q.letter(from).ID != id {
				continue
			}
			if !found {
				if err := first(r, read(from)); err != nil {
					return err
				}
			}
			found = true
			if err := from.Ack(false); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return unavailable(doing, err)
	}
	if !found {
		return caption.Errorf(caption.KindNotFound, "There is no dead letter with this id.")
	}
	return nil
}

// letter reads a message of the dead.
func (q *Queue) letter(from amqp.Delivery) caption.DeadLetter {
	m := read(from)
	l := caption.DeadLetter{ID: m.id, Attempts: m.attempts, Cause: m.cause, Died: m.died}
	if l.ID == "" { // Somebody else has published it.
		sum := sha256.Sum256(m.body)
		l.ID = "unnamed-" + hex.EncodeToString(sum[:12])
	}
	if m.died.IsZero() { // It was RabbitMQ who gave it up, at its limit of deliveries.
		l.Attempts, l.Cause, l.Died = m.attempts+q.cfg.MaxAttempts, died(m), deathTime(from.Headers)
	}
	// A task that cannot be read is listed without its content: listing it is how an operator finds out.
	if err := json.Unmarshal(m.body, &l.Task); err != nil {
		l.Cause = fmt.Sprintf("%s (the task cannot be read: %v)", l.Cause, err)
	}
	return l
}

// deathTime is when RabbitMQ moved a message last, to a second.
func deathTime(headers amqp.Table) time.Time {
	deaths, _ := headers[headerDeath].([]any)
	for _, death := range deaths {
		if table, ok := death.(amqp.Table); ok {
			if t, ok := table["time"].(time.Time); ok {
				return t.UTC()
			}
		}
	}
	return time.Time{}
}

// deadReader takes one dead letter after the other. Those that are not acknowledged go back to where they were.
type deadReader struct {
	*channel
	queue string
}

func (r *deadReader) next(ctx context.Context) (from amqp.Delivery, ok bool, err error) {
	got, err := within(ctx, func() ([]amqp.Delivery, error) {
		from, ok, err := r.ch.Get(r.queue, false)
		if err != nil || !ok {
			return nil, err
		}
		return []amqp.Delivery{from}, nil
	}, nil)
	if err != nil || len(got) == 0 {
		return amqp.Delivery{}, false, err
	}
	return got[0], true, nil
}

// readDead runs read while nobody else reads dead letters: another reader would find the queue empty while this one holds
// what was in it. The lock is a queue that only one connection can have, and so is gone with the connection, whatever
// happens; that is why each reading has a connection of its own.
func (q *Queue) readDead(ctx context.Context, read func(*deadReader) error) error {
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	if q.isClosed() {
		return errClosed
	}
	conn, err := q.connect(ctx, "dead letters")
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseDeadline(time.Now().Add(time.Second)) }() // It is closed then, one way or another.
	if err := q.lockDead(ctx, conn); err != nil {
		return err
	}
	c, err := openChannel(ctx, q.publishing, conn)
	if err != nil {
		return err
	}
	if err := read(&deadReader{channel: c, queue: q.at.dead()}); err != nil {
		return err // The end of the connection gives back all that was taken.
	}
	if err := c.ch.Nack(0, true, true); err != nil {
		return err
	}
	return c.flush(ctx)
}

// lockDead waits until no other connection reads dead letters.
func (q *Queue) lockDead(ctx context.Context, conn *amqp.Connection) error {
	for {
		_, err := within(ctx, func() (struct{}, error) {
			ch, err := conn.Channel()
			if err == nil {
				_, err = ch.QueueDeclare(q.at.lock(), false, true, true, false, nil)
			}
			return struct{}{}, err
		}, nil)
		if e := asAMQP(err); e == nil || e.Code != amqp.ResourceLocked {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10*time.Millisecond + rand.N(20*time.Millisecond)):
		}
	}
}
