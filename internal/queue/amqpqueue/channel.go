package amqpqueue

import (
	"context"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// channel is an AMQP channel whose messages are confirmed, and which holds at most one delivery. One channel for each
// delivery, because the server breaks a whole channel when it is not content with one delivery.
type channel struct {
	l       *link
	ch      *amqp.Channel
	done    chan struct{} // closed when the channel is gone
	err     error         // why; valid after done
	barrier chan struct{} // takes a message after all returned ones were noted

	mu      sync.Mutex
	awaited map[string]bool // by id of the messages under way: whether it was returned
	held    *delivery
}

func openChannel(ctx context.Context, l *link, conn *amqp.Connection) (*channel, error) {
	open := func() (*amqp.Channel, error) {
		ch, err := conn.Channel()
		if err != nil {
			return nil, err
		}
		if err := ch.Confirm(false); err != nil {
			return nil, err
		}
		return ch, ch.Qos(1, 0, false)
	}
	ch, err := within(ctx, open, func(late *amqp.Channel) { _ = late.Close() })
	if err != nil {
		return nil, err
	}
	c := &channel{l: l, ch: ch, done: make(chan struct{}), barrier: make(chan struct{}), awaited: map[string]bool{}}
	// Not buffered: the client reads on only after each was taken, so that a returned message is known before it is
	// confirmed.
	returns := ch.NotifyReturn(make(chan amqp.Return))
	go c.watch(returns, ch.NotifyClose(make(chan *amqp.Error, 1)))
	return c, nil
}

// watch notes what the server says unasked, until the channel is gone.
func (c *channel) watch(returns <-chan amqp.Return, closed <-chan *amqp.Error) {
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			c.mu.Lock()
			if _, ok := c.awaited[r.MessageId]; ok {
				c.awaited[r.MessageId] = true
			}
			c.mu.Unlock()
		case c.barrier <- struct{}{}:
		case e := <-closed:
			c.err = errGone
			if e != nil {
				c.err = fmt.Errorf("%w: %w", errGone, e)
			}
			c.mu.Lock()
			close(c.done)
			d := c.held
			c.mu.Unlock()
			if d != nil {
				d.lose(c.err)
			}
			return
		}
	}
}

// hold notes who must be told when the channel is gone.
func (c *channel) hold(d *delivery) {
	c.mu.Lock()
	c.held = d
	gone := c.gone()
	c.mu.Unlock()
	if gone && d != nil {
		d.lose(c.cause())
	}
}

func (c *channel) gone() bool {
	select {
	case <-c.done:
		return true
	default:
		return c.ch.IsClosed()
	}
}

// cause is why the channel is gone.
func (c *channel) cause() error {
	select {
	case <-c.done:
		return c.err
	default:
		return errGone
	}
}

// discard closes the channel; the server takes back what it holds.
func (c *channel) discard() {
	go c.ch.Close() //nolint:errcheck // It is closed then, one way or another.
}

// publish returns nil when all messages are stored in the queues that they are for.
func (c *channel) publish(ctx context.Context, messages ...message) error {
	c.mu.Lock()
	for _, m := range messages {
		c.awaited[m.id] = false
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, m := range messages {
			delete(c.awaited, m.id)
		}
	}()
	confirms, err := within(ctx, func() (confirms []*amqp.DeferredConfirmation, err error) {
		for _, m := range messages {
			// Mandatory, because a message for a queue that does not exist is confirmed all the same.
			confirm, err := c.ch.PublishWithDeferredConfirm("", m.to, true, false, m.publishing())
			if err != nil {
				return nil, err
			}
			confirms = append(confirms, confirm)
		}
		return confirms, nil
	}, nil)
	if err != nil {
		return err
	}
	for _, confirm := range confirms {
		select {
		case <-confirm.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
		if !confirm.Acked() {
			if c.ch.IsClosed() {
				return errGone
			}
			return errRefused
		}
	}
	select {
	case <-c.barrier:
	case <-c.done:
		return c.err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range messages {
		if c.awaited[m.id] {
			c.l.renew()
			return fmt.Errorf("%w: %s", errReturned, m.to)
		}
	}
	return nil
}

// flush returns nil when the server has dealt with all that was said on the channel before. An acknowledgement has no
// answer of its own, but any question has, and the server takes them in turn.
func (c *channel) flush(ctx context.Context) error {
	_, err := within(ctx, func() (struct{}, error) { return struct{}{}, c.ch.Qos(1, 0, false) }, nil)
	return err
}
