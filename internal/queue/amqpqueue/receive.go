package amqpqueue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"k8s-scalers/internal/caption"
)

// causeKilled is the cause of death of tasks whose holder never said one.
const causeKilled = "the process that worked on the task ended, or could not be reached any more"

var consumers atomic.Uint64 // numbers them, because each needs a name of its own on its channel

// Receive takes the task that was ready first. It waits through every outage.
func (q *Queue) Receive(ctx context.Context) (caption.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := q.take(ctx)
		switch {
		case err == nil && d != nil:
			return d, nil
		case err == nil:
			continue
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case q.isClosed():
			return nil, errClosed
		}
		// The connection is being renewed, or a channel could not be had.
		q.cfg.Logger.DebugContext(ctx, "taking a task was interrupted; trying again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(firstPause):
		}
	}
}

// take waits for one delivery. It returns nil without an error when that was not fit to be given to anybody.
func (q *Queue) take(ctx context.Context) (*delivery, error) {
	c, err := q.channel(ctx)
	if err != nil {
		return nil, err
	}
	consumer := fmt.Sprintf("captions-%d", consumers.Add(1))
	deliveries, err := c.ch.Consume(q.at.jobs(), consumer, false, false, false, true, nil)
	if err != nil {
		c.discard()
		return nil, err
	}
	select {
	case m, ok := <-deliveries:
		if !ok {
			// Where the channel is not gone, the queue is.
			if !c.gone() || isNotFound(c) {
				c.l.renew()
			}
			c.discard()
			return nil, errGone
		}
		// With one task not yet settled it gets no other, so none can be lost by this; and settling it then fetches none.
		if err := c.ch.Cancel(consumer, true); err != nil {
			return nil, err
		}
		return q.accept(ctx, c, m)
	case <-ctx.Done():
		if !q.later(func() { q.withdraw(c, consumer, deliveries) }) {
			c.discard()
		}
		return nil, ctx.Err()
	}
}

// isNotFound tells whether the server closed the channel because the queue does not exist.
func isNotFound(c *channel) bool {
	<-c.done
	e := asAMQP(c.err)
	return e != nil && e.Code == amqp.NotFound
}

// channel returns one that holds nothing.
func (q *Queue) channel(ctx context.Context) (*channel, error) {
	for {
		q.mu.Lock()
		n := len(q.idle)
		if n == 0 {
			q.mu.Unlock()
			break
		}
		c := q.idle[n-1]
		q.idle = q.idle[:n-1]
		q.mu.Unlock()
		if !c.gone() {
			return c, nil
		}
	}
	conn, err := q.consuming.connection(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	return openChannel(ctx, q.consuming, conn)
}

func (q *Queue) putIdle(c *channel) {
	c.hold(nil)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.idle = append(q.idle, c)
}

// withdraw ends a consumer that nobody waits for any more, and gives back what it was sent meanwhile.
func (q *Queue) withdraw(c *channel, consumer string, deliveries <-chan amqp.Delivery) {
	ctx, cancel := q.bounded(context.Background())
	defer cancel()
	_, err := within(ctx, func() (struct{}, error) { return struct{}{}, c.ch.Cancel(consumer, false) }, nil)
	if err != nil {
		c.discard()
		return
	}
	m, ok := <-deliveries // One at most; then it is closed.
	if !ok {
		q.putIdle(c)
		return
	}
	if err := q.delivery(c, m).Release(ctx); err != nil {
		q.cfg.Logger.WarnContext(ctx, "a task that nobody waited for could not be given back; it counts as an attempt", "error", err)
		c.discard()
	}
}

// accept makes a delivery of a message, or buries it.
func (q *Queue) accept(ctx context.Context, c *channel, m amqp.Delivery) (*delivery, error) {
	d := q.delivery(c, m)
	if d.unreadable != nil {
		return nil, d.Bury(ctx, fmt.Sprintf("the task cannot be read: %v", d.unreadable))
	}
	if d.attempt > q.cfg.MaxAttempts {
		// RabbitMQ counts deliveries from one queue only, so that it does not know of those before the last retry.
		d.attempt--
		return nil, d.Bury(ctx, died(d.m))
	}
	return d, nil
}

// died is the cause of death of a task whose last holder did not say one.
func died(m message) string {
	if m.cause == "" {
		return causeKilled
	}
	return causeKilled + "; before that: " + m.cause
}
