// Package amqpqueue is the task queue in RabbitMQ, for the deployment in which services have processes of their own. It
// owns the queues there: their names and arguments, what is published with a task, and how tasks get from one queue to
// another. What the tasks mean, and when a failed one is worth another try, is the business of the worker.
//
// Tasks wait in a quorum queue, "jobs" unless the URL names another. Its neighbours are named after it: "jobs.dead" has
// the tasks that were given up, "jobs.retry.…" those that wait for another try. A task is delivered only to somebody who
// waits in [Queue.Receive]: nothing is fetched ahead, so that no task lies behind a long one in a busy process, and a
// process that dies costs only the tasks it was working on an attempt.
//
// AMQP can move a task between queues only by publishing a copy and then acknowledging the original. The copy is
// confirmed first, so that no task is lost; when the connection breaks between the two, there is one too many. That is
// why handling a task twice must have the effect of handling it once.
package amqpqueue

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"k8s-scalers/internal/caption"
)

// Config says where the queue is and how it delivers. Only URL must be set.
type Config struct {
	// URL is amqp://user:password@host:port/vhost, or amqps for TLS. Parameters, all optional:
	//   queue             the name of the queue of tasks; "jobs"
	//   management        the URL of the management API, without which nobody knows how many tasks are taken; the
	//                     user and the password are those of AMQP unless it has its own
	//   consumer_timeout  what this is set to in rabbitmq.conf, such as 2h; see LongestTask
	// and those of RabbitMQ's own URLs: cacertfile, certfile, keyfile, server_name_indication, auth_mechanism,
	// channel_max.
	URL string
	// Visibility is how long a task stays taken after its holder's last sign of life, to a second; at least 2 s. 0 means
	// 30 s.
	Visibility time.Duration
	// MaxAttempts is how often a task is delivered before it becomes a dead letter; 0 means 5. RabbitMQ counts, too, so
	// that it is part of what the queue is declared with.
	MaxAttempts int
	// LongestTask is how long a task may be worked on; 0 means 1 h. RabbitMQ takes tasks back after a time of its own.
	// From version 3.12 on the queue sets it; before, rabbitmq.conf does, and the parameter consumer_timeout must say so.
	LongestTask time.Duration
	// Timeout bounds each exchange with RabbitMQ, the wait for a connection included; 0 means 5 s.
	Timeout time.Duration
	Now     func() time.Time
	Logger  *slog.Logger
}

// Queue is a queue in RabbitMQ. It implements [caption.Publisher], [caption.Consumer], [caption.DeadLetters] and
// [caption.QueueStatser].
type Queue struct {
	cfg    Config
	at     address
	closed chan struct{}
	close  func() error
	// Two connections, because RabbitMQ throttles those that publish when it is short of memory: acknowledgements, which
	// free some, must get through.
	publishing, consuming *link

	mu     sync.Mutex
	shared *channel       // for Publish
	idle   []*channel     // for Receive
	late   sync.WaitGroup // what goes on after the call that began it
	ending bool           // late takes no more
}

// New returns the queue. It is of use when [Queue.Run] runs beside it.
func New(cfg Config) (*Queue, error) {
	if cfg.Visibility == 0 {
		cfg.Visibility = 30 * time.Second
	}
	if cfg.MaxAttempts == 0 {
		cfg.MaxAttempts = 5
	}
	if cfg.LongestTask == 0 {
		cfg.LongestTask = time.Hour
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	at, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	q := &Queue{cfg: cfg, at: at, closed: make(chan struct{})}
	q.publishing, q.consuming = newLink(q, "publishing"), newLink(q, "consuming")
	q.close = sync.OnceValue(q.shut)
	return q, nil
}

// Check connects once and says what stands in the way: [caption.KindUnavailable] when RabbitMQ cannot be reached, which may
// pass, [caption.KindInvalid] when it, or the queue, is not as it must be, which somebody must mend.
func (q *Queue) Check(ctx context.Context) error {
	conn, err := q.connect(ctx, "check")
	if err != nil {
		return err
	}
	_ = conn.Close() // It has served its purpose.
	return nil
}

// Run keeps the connections until ctx ends, and then returns nil. It returns an error of [caption.KindInvalid] only if
// that is what the first answer of RabbitMQ was; a queue that was once in order is tried again for ever. The connections
// stay until [Queue.Close], so that deliveries can be settled after Run.
func (q *Queue) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, 2)
	for _, l := range []*link{q.publishing, q.consuming} {
		go func() { errs <- l.run(ctx) }()
	}
	err := <-errs
	cancel()
	if other := <-errs; err == nil {
		err = other
	}
	return err
}

// Ping returns nil while both connections are up: for readiness.
func (q *Queue) Ping(ctx context.Context) error {
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	for _, l := range []*link{q.publishing, q.consuming} {
		if _, err := l.connection(ctx); err != nil {
			return unavailable("reach the task queue", err)
		}
	}
	return nil
}

// Close ends the connections. Deliveries that are not settled by then count as an attempt and are delivered again. Calls
// that wait in Receive return an error.
func (q *Queue) Close() error { return q.close() }

func (q *Queue) shut() error {
	q.mu.Lock()
	q.ending = true
	q.mu.Unlock()
	q.late.Wait() // Each has its own timeout.
	close(q.closed)
	q.publishing.shut()
	q.consuming.shut()
	return nil
}

// Publish stores the tasks: after nil, RabbitMQ has written all of them to a majority of its disks. After an error any
// of them may be on the queue.
func (q *Queue) Publish(ctx context.Context, tasks ...caption.Task) error {
	messages := make([]message, len(tasks))
	for i, t := range tasks {
		body, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("publish tasks: %w", err)
		}
		messages[i] = message{to: q.at.jobs(), id: caption.NewID(), published: q.cfg.Now(), body: body}
	}
	if len(messages) == 0 {
		return nil
	}
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	c, err := q.publisher(ctx)
	if err != nil {
		return unavailable("publish tasks", err)
	}
	if err := c.publish(ctx, messages...); err != nil {
		return unavailable("publish tasks", err)
	}
	return nil
}

// publisher returns the channel that all calls of Publish share.
func (q *Queue) publisher(ctx context.Context) (*channel, error) {
	q.mu.Lock()
	c := q.shared
	q.mu.Unlock()
	if c != nil && !c.gone() && q.publishing.usable() {
		return c, nil
	}
	c, err := q.publishing.channel(ctx)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shared != nil && !q.shared.gone() { // Another call was faster.
		c.discard()
		return q.shared, nil
	}
	q.shared = c
	return c, nil
}

// bounded returns a context that also ends after the timeout of one exchange.
func (q *Queue) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, q.cfg.Timeout)
}

// later runs f beside the caller; Close waits for it. It returns false when the queue is being closed.
func (q *Queue) later(f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ending {
		return false
	}
	q.late.Go(f)
	return true
}

// message is a task on its way, with what is known of it besides.
type message struct {
	to        string // a queue
	id        string // stays the same on every queue
	published time.Time
	attempts  int // deliveries that count, up to now
	cause     string
	died      time.Time
	after     time.Duration // how long it stays in the queue; 0 means until it is delivered
	body      []byte
}

// The headers of a message.
const (
	headerAttempts  = "captions-attempts"
	headerCause     = "captions-cause"
	headerPublished = "captions-published" // in ms since 1970, as is the next
	headerDied      = "captions-died"
	headerCount     = "x-delivery-count" // RabbitMQ's: deliveries from this queue that were not acknowledged
	headerDeath     = "x-death"          // RabbitMQ's: why it moved the message here
)

func (m message) publishing() amqp.Publishing {
	headers := amqp.Table{headerAttempts: int64(m.attempts), headerPublished: m.published.UnixMilli()}
	if m.cause != "" {
		headers[headerCause] = m.cause
	}
	if !m.died.IsZero() {
		headers[headerDied] = m.died.UnixMilli()
	}
	p := amqp.Publishing{
		Headers: headers, ContentType: "application/json", DeliveryMode: amqp.Persistent, MessageId: m.id,
		Timestamp: m.published, Body: m.body,
	}
	if m.after > 0 {
		p.Expiration = fmt.Sprint(expiration(m.after))
	}
	return p
}

// number reads a header that may be missing, or of another size or kind than it was published with.
func number(headers amqp.Table, name string) int64 {
	switch n := headers[name].(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	case int16:
		return int64(n)
	case int8:
		return int64(n)
	}
	return 0
}
