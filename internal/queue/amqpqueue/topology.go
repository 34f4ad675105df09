package amqpqueue

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"k8s-scalers/internal/caption"
)

// A task that waits for another try is in the queue with the least limit that is not below its pause, and expires there
// into the queue of tasks. RabbitMQ expires only the first message of a queue: so a task may wait for one in front of it,
// but never longer than the limit, however long the pauses of others are. The last has no limit.
var retryLimits = []time.Duration{
	time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, math.MaxInt64,
}

func (a address) retry(limit time.Duration) string {
	switch {
	case limit == math.MaxInt64:
		return a.queue + ".retry.longer"
	case limit < time.Minute:
		return fmt.Sprintf("%s.retry.%ds", a.queue, limit/time.Second)
	}
	return fmt.Sprintf("%s.retry.%dm", a.queue, limit/time.Minute)
}

// retryQueue returns where a task waits for so long.
func (a address) retryQueue(after time.Duration) string {
	for _, limit := range retryLimits {
		if after <= limit {
			return a.retry(limit)
		}
	}
	return a.jobs() // There is no longer limit than the last.
}

// expiration is a pause in ms, rounded up, and at most what RabbitMQ can count.
func expiration(after time.Duration) int64 {
	return min((after-1).Milliseconds()+1, math.MaxUint32)
}

const (
	// holdLimit is how long RabbitMQ lets a consumer hold a task, from version 3.12 on. It is the same whatever the
	// settings are, because a queue cannot be declared anew with another.
	holdLimit = 24 * time.Hour
	// defaultHoldLimit is the same of older versions, where rabbitmq.conf says nothing else.
	defaultHoldLimit = 30 * time.Minute
	// holdSlack is how much earlier than said RabbitMQ may look.
	holdSlack = time.Minute
)

type queue struct {
	name string
	args amqp.Table
}

// queues are all queues there are, those first that others point to.
func (q *Queue) queues() []queue {
	quorum := func(name string, more amqp.Table) queue {
		args := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
		maps.Copy(args, more)
		return queue{name, args}
	}
	// Queues that RabbitMQ itself moves messages out of: at least once, which it does only from queues that would refuse
	// messages, rather than drop some, if they were full.
	moving := func(more amqp.Table) amqp.Table {
		more["x-dead-letter-strategy"] = "at-least-once"
		more[amqp.QueueOverflowArg] = amqp.QueueOverflowRejectPublish
		return more
	}
	all := []queue{
		// Whoever looks at dead letters takes them and gives them back, and that must never be too often.
		quorum(q.at.dead(), amqp.Table{"x-delivery-limit": int64(math.MaxInt32)}),
		quorum(q.at.jobs(), moving(amqp.Table{
			"x-delivery-limit":          int64(q.cfg.MaxAttempts - 1), // how often it may come back
			"x-dead-letter-exchange":    q.at.dead(),
			"x-dead-letter-routing-key": q.at.dead(),
			"x-consumer-timeout":        holdLimit.Milliseconds(),
		})),
	}
	for _, limit := range retryLimits {
		all = append(all, quorum(q.at.retry(limit), moving(amqp.Table{
			"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q.at.jobs(),
		})))
	}
	return all
}

// declare makes sure that RabbitMQ has all that is needed, and that it is as it must be.
func (q *Queue) declare(conn *amqp.Connection) error {
	if err := q.checkVersion(conn); err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }() // It has served its purpose.
	// For whoever wants to be told of dead letters: other queues can be bound to it.
	if err := ch.ExchangeDeclare(q.at.dead(), amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
		return q.explain("exchange", q.at.dead(), err)
	}
	for _, queue := range q.queues() {
		if _, err := ch.QueueDeclare(queue.name, true, false, false, false, queue.args); err != nil {
			return q.explain("queue", queue.name, err)
		}
	}
	if err := ch.QueueBind(q.at.dead(), q.at.dead(), q.at.dead(), false, nil); err != nil {
		return q.explain("queue", q.at.dead(), err)
	}
	return nil
}

// explain says what to do about a declaration that RabbitMQ has refused.
func (q *Queue) explain(what, name string, err error) error {
	e := asAMQP(err)
	switch {
	case e == nil:
		return err
	case e.Code == amqp.PreconditionFailed:
		return caption.Errorf(caption.KindInvalid, "RabbitMQ has a %s %s that was declared in another way (%s). "+
			"Either set back the setting that changed; or give the URL of the task queue another name, such as ?queue=%s-2, "+
			"and stop the old workers when the old queue is empty; or stop all workers, let the queue be empty, and delete it "+
			"(rabbitmqctl delete_queue %s): it is declared anew at the next start.", what, name, e.Reason, q.at.queue, name).
			WithCode("queue_mismatch").WithCause(err)
	case e.Code == amqp.AccessRefused:
		return caption.Errorf(caption.KindInvalid, "The user of the task queue's URL may not use the %s %s in RabbitMQ: "+
			"give the user the permissions to configure, write and read %s and %s.* in the virtual host %s.",
			what, name, q.at.queue, q.at.queue, q.at.vhost).WithCode("bad_settings").WithCause(err)
	}
	return err
}

// checkVersion looks at what the server says of itself, without which some faults would show much later: a task that is
// worked on for too long is taken back half an hour after the start.
func (q *Queue) checkVersion(conn *amqp.Connection) error {
	version, _ := conn.Properties["version"].(string)
	if older(version, 3, 10) {
		return caption.Errorf(caption.KindInvalid, "RabbitMQ %s is too old: the task queue needs 3.10 or newer.", version).WithCode("bad_settings")
	}
	limit := holdLimit
	if older(version, 3, 12) {
		limit = cmp.Or(q.at.consumerTimeout, defaultHoldLimit)
	}
	if q.cfg.LongestTask+holdSlack <= limit {
		return nil
	}
	if limit == holdLimit {
		return caption.Errorf(caption.KindInvalid, "A task may take %s, but the queue lets nobody hold one for longer than %s.",
			q.cfg.LongestTask, limit).WithCode("consumer_timeout")
	}
	need := (q.cfg.LongestTask + holdSlack).Milliseconds()
	return caption.Errorf(caption.KindInvalid, "A task may take %s, but RabbitMQ %s takes tasks back after %s, as far as is known. "+
		"Put the line \"consumer_timeout = %d\" into rabbitmq.conf on each node, restart it, and say so in the URL of the task "+
		"queue: consumer_timeout=%s.", q.cfg.LongestTask, version, limit, need, time.Duration(need)*time.Millisecond).WithCode("consumer_timeout")
}

// older tells whether a version such as 3.10.8 is below major.minor. An unreadable one is taken for a new one.
func older(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	return errA == nil && errB == nil && (a < major || a == major && b < minor)
}

// connect opens a connection to a server that has all queues.
func (q *Queue) connect(ctx context.Context, purpose string) (*amqp.Connection, error) {
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	conn, err := q.dial(ctx, purpose)
	if err != nil {
		return nil, err
	}
	_, err = within(ctx, func() (struct{}, error) { return struct{}{}, q.declare(conn) }, nil)
	if err != nil {
		go conn.Close() //nolint:errcheck // Nobody waits for a connection that is of no use.
		if caption.KindOf(err) == caption.KindInvalid {
			return nil, err
		}
		return nil, unavailable("declare queues", err)
	}
	return conn, nil
}
