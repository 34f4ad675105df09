package amqpqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"k8s-scalers/internal/caption"
)

// delivery is a task that this process has taken.
type delivery struct {
	q       *Queue
	c       *channel
	tag     uint64
	m       message // as it came; attempts are those before this one
	attempt int
	task    caption.Task
	// unreadable is why task is empty.
	unreadable error
	lost       chan struct{}

	// mu is held while the delivery is being settled, so that one whose channel is gone right after that is not taken for
	// lost.
	mu      sync.Mutex
	settled bool
	isLost  bool
	// acked: the acknowledgement is under way, so that nothing else can be done with the task, but not known to have
	// arrived.
	acked  bool
	giveUp *time.Timer
}

// delivery makes one of a message, and has it told when it is lost.
func (q *Queue) delivery(c *channel, from amqp.Delivery) *delivery {
	d := &delivery{q: q, c: c, tag: from.DeliveryTag, m: read(from), lost: make(chan struct{})}
	d.attempt = d.m.attempts + int(number(from.Headers, headerCount)) + 1
	d.unreadable = json.Unmarshal(from.Body, &d.task)
	c.hold(d)
	return d
}

// read returns what is known of a message, whoever has published it.
func read(from amqp.Delivery) message {
	m := message{
		id: from.MessageId, attempts: int(number(from.Headers, headerAttempts)), body: from.Body,
		published: time.UnixMilli(number(from.Headers, headerPublished)).UTC(),
	}
	m.cause, _ = from.Headers[headerCause].(string)
	if ms := number(from.Headers, headerDied); ms != 0 {
		m.died = time.UnixMilli(ms).UTC()
	}
	return m
}

func (d *delivery) Task() caption.Task    { return d.task }
func (d *delivery) Attempt() int          { return d.attempt }
func (d *delivery) Lost() <-chan struct{} { return d.lost }

func (d *delivery) Ack(ctx context.Context) error { return d.settle(ctx, "acknowledge a task", nil) }

// Release puts a copy at the end of the queue: given back as itself, the task would be one attempt older.
func (d *delivery) Release(ctx context.Context) error {
	copied := d.m
	copied.to, copied.attempts = d.q.at.jobs(), d.attempt-1
	return d.settle(ctx, "release a task", &copied)
}

func (d *delivery) Retry(ctx context.Context, after time.Duration, cause string) error {
	if d.attempt >= d.q.cfg.MaxAttempts {
		return d.Bury(ctx, cause)
	}
	copied := d.m
	copied.to, copied.attempts, copied.cause = d.q.at.jobs(), d.attempt, cause
	if after > 0 {
		copied.to, copied.after = d.q.at.retryQueue(after), after
	}
	return d.settle(ctx, "retry a task", &copied)
}

func (d *delivery) Bury(ctx context.Context, cause string) error {
	copied := d.m
	copied.to, copied.attempts, copied.cause, copied.died = d.q.at.dead(), d.attempt, cause, d.q.cfg.Now()
	return d.settle(ctx, "bury a task", &copied)
}

// settle publishes a copy of the task to where it goes, if it goes anywhere, and acknowledges it. Both happen on the
// channel of the delivery: so the copy can arrive only while the server still regards the task as held.
func (d *delivery) settle(ctx context.Context, doing string, copied *message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.settled || d.isLost || d.c.gone() {
		d.loseLocked()
		return taskLost(d.c.cause())
	}
	if d.giveUp != nil {
		d.giveUp.Stop()
	}
	ctx, cancel := d.q.bounded(ctx)
	defer cancel()
	err := d.trySettle(ctx, copied)
	switch {
	case err == nil:
		d.settled = true
		d.q.putIdle(d.c)
		return nil
	case ctx.Err() == nil && !errors.Is(err, errRefused) && !errors.Is(err, errReturned), d.c.gone():
		// The channel is gone, or about to be. Whether the acknowledgement has arrived is not known; in any case the task is
		// not this delivery's any more.
		d.c.discard()
		d.loseLocked()
		return taskLost(fmt.Errorf("%s: %w", doing, err))
	}
	// A holder who cannot settle may give up, and then the task must come back, though the process lives on.
	d.giveUp = time.AfterFunc(d.q.cfg.Visibility, d.c.discard)
	return unavailable(doing, err)
}

func (d *delivery) trySettle(ctx context.Context, copied *message) error {
	if !d.acked {
		if copied != nil {
			if copied.id == "" { // Somebody else has published it.
				copied.id = caption.NewID()
			}
			if err := d.c.publish(ctx, *copied); err != nil {
				return err
			}
		}
		if err := d.c.ch.Ack(d.tag, false); err != nil {
			return err
		}
		d.acked = true
	}
	return d.c.flush(ctx)
}

// lose closes Lost, unless the delivery was settled meanwhile.
func (d *delivery) lose(cause error) {
	if e := asAMQP(cause); e != nil && e.Code == amqp.PreconditionFailed && strings.Contains(e.Reason, "timed out") {
		d.q.cfg.Logger.Error("RabbitMQ took a task back because it was worked on for longer than the server's consumer_timeout; "+
			"set consumer_timeout in rabbitmq.conf to more than the longest task takes", "job_id", d.task.JobID, "error", cause)
	}
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
