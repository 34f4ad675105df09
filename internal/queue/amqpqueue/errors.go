package amqpqueue

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"k8s-scalers/internal/caption"
)

var (
	errClosed   = errors.New("the queue is closed")
	errGone     = errors.New("the connection to RabbitMQ broke")
	errRefused  = errors.New("RabbitMQ has not taken the task")
	errReturned = errors.New("RabbitMQ has no such queue")
	errBlocked  = errors.New("RabbitMQ takes no tasks, because it is short of memory or disk space")
)

// taskLost is the answer to whoever settles what is not held any more.
func taskLost(cause error) error {
	return caption.Errorf(caption.KindConflict, "The task is no longer held by this delivery.").WithCode("task_lost").WithCause(cause)
}

// unavailable says what was being done when RabbitMQ did not do its part.
func unavailable(doing string, err error) error {
	if caption.KindOf(err) != caption.KindInternal {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return caption.Errorf(caption.KindUnavailable, "The task queue cannot be reached. Try again in a moment.").
		WithCode("queue_unavailable").WithCause(fmt.Errorf("%s: %w", doing, err))
}

// asAMQP returns what RabbitMQ has said, or nil where it is not what RabbitMQ has said.
func asAMQP(err error) *amqp.Error {
	if e, ok := errors.AsType[*amqp.Error](err); ok {
		return e
	}
	return nil
}

// within runs f, which knows no context, and returns when ctx ends even if f has not: then f's result goes to late, where
// there is one.
func within[T any](ctx context.Context, f func() (T, error), late func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result)
	go func() {
		v, err := f()
		select {
		case done <- result{v, err}:
		case <-ctx.Done():
			if err == nil && late != nil {
				late(v)
			}
		}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
