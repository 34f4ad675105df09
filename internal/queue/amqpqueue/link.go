package amqpqueue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"k8s-scalers/internal/caption"
)

// link is a connection that is opened anew whenever it breaks.
type link struct {
	q       *Queue
	purpose string

	mu      sync.Mutex
	conn    *amqp.Connection // nil while there is none
	err     error            // why there is none
	blocked bool             // the server takes no messages
	changed chan struct{}    // closed, and replaced, with each change of the above
}

// The pauses between attempts to connect: the first is short, because most breaks are.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 5 * time.Second
)

func newLink(q *Queue, purpose string) *link {
	return &link{q: q, purpose: purpose, err: errors.New("not connected yet"), changed: make(chan struct{})}
}

// run keeps the connection until ctx ends. The error is of a fault that somebody must mend before a start.
func (l *link) run(ctx context.Context) error {
	pause, worked := firstPause, false
	for {
		conn, err := l.q.connect(ctx, l.purpose)
		if ctx.Err() != nil || l.q.isClosed() {
			if err == nil {
				_ = conn.Close() // Nobody has used it.
			}
			return nil
		}
		if err == nil {
			l.q.cfg.Logger.InfoContext(ctx, "connected to RabbitMQ", "purpose", l.purpose, "server", l.q.at.host)
			pause, worked = firstPause, true
			if err = l.hold(ctx, conn); err == nil {
				if l.q.isClosed() {
					l.shut() // Close may have come before the connection.
				}
				return nil
			}
		} else if !worked && caption.KindOf(err) == caption.KindInvalid {
			l.set(nil, err)
			return err
		}
		l.set(nil, err)
		l.q.cfg.Logger.WarnContext(ctx, "no connection to RabbitMQ; trying again", "purpose", l.purpose, "server", l.q.at.host, "pause", pause, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-l.q.closed:
			return nil
		case <-time.After(pause/2 + rand.N(pause)): // so that not all processes come at once
		}
		pause = min(2*pause, longestPause)
	}
}

// hold returns the error that broke the connection, or nil when ctx ends or the queue is closed first.
func (l *link) hold(ctx context.Context, conn *amqp.Connection) error {
	broken := conn.NotifyClose(make(chan *amqp.Error, 1))
	// Buffered, because after ctx has ended nobody reads it, and the connection must go on.
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 64))
	l.set(conn, nil)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.q.closed:
			return nil
		case b, ok := <-blocked:
			if !ok {
				blocked = nil
				continue
			}
			l.q.cfg.Logger.WarnContext(ctx, "RabbitMQ changes whether it takes tasks", "purpose", l.purpose, "takes", !b.Active, "reason", b.Reason)
			l.setBlocked(b.Active)
		case e, ok := <-broken:
			if !ok || e == nil {
				return errGone
			}
			return fmt.Errorf("%w: %w", errGone, e)
		}
	}
}

func (l *link) set(conn *amqp.Connection, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.err, l.blocked = conn, err, false
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *link) setBlocked(blocked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocked = blocked
}

// usable tells whether messages can be published without a look at the connection.
func (l *link) usable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn != nil && !l.blocked
}

// connection waits for the connection.
func (l *link) connection(ctx context.Context) (*amqp.Connection, error) {
	for {
		l.mu.Lock()
		conn, err, changed := l.conn, l.err, l.changed
		l.mu.Unlock()
		if conn != nil && !conn.IsClosed() {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-l.q.closed:
			return nil, errClosed
		case <-changed:
		}
	}
}

// channel opens a channel to publish on.
func (l *link) channel(ctx context.Context) (*channel, error) {
	conn, err := l.connection(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	blocked := l.blocked
	l.mu.Unlock()
	if blocked {
		return nil, errBlocked
	}
	return openChannel(ctx, l, conn)
}

// renew breaks the connection, so that the next one declares what is missing.
func (l *link) renew() {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if conn != nil {
		go conn.Close() //nolint:errcheck // It is closed then, one way or another.
	}
}

// shut ends the connection for good.
func (l *link) shut() {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if conn != nil {
		_ = conn.CloseDeadline(time.Now().Add(time.Second)) // It is closed then, one way or another.
	}
}

func (q *Queue) isClosed() bool {
	select {
	case <-q.closed:
		return true
	default:
		return false
	}
}

// dial opens a connection.
func (q *Queue) dial(ctx context.Context, purpose string) (*amqp.Connection, error) {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("captions " + purpose)
	dial := func() (*amqp.Connection, error) {
		return amqp.DialConfig(q.at.server, amqp.Config{
			// RabbitMQ hangs up after one to two of these without a sign of life.
			Heartbeat:  max(time.Second, (q.cfg.Visibility / 2).Truncate(time.Second)),
			Properties: properties,
			Dial: func(network, addr string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				// For the handshake; the client lifts it afterwards.
				return conn, conn.SetDeadline(time.Now().Add(q.cfg.Timeout))
			},
		})
	}
	conn, err := within(ctx, dial, func(late *amqp.Connection) { _ = late.Close() })
	if err == nil {
		return conn, nil
	}
	switch e := asAMQP(err); {
	case e != nil && e.Code == amqp.AccessRefused:
		return nil, caption.Errorf(caption.KindInvalid, "RabbitMQ at %s refuses the user or the password of the task queue's URL.", q.at.host).
			WithCode("bad_settings").WithCause(err)
	case e != nil && e.Code == amqp.NotAllowed:
		return nil, caption.Errorf(caption.KindInvalid, "RabbitMQ at %s has no virtual host %q that the user of the task queue's URL may use.", q.at.host, q.at.vhost).
			WithCode("bad_settings").WithCause(err)
	}
	return nil, unavailable("connect to RabbitMQ at "+q.at.host, err)
}
