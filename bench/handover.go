package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/queue/amqpqueue"
	"k8s-scalers/internal/testservers"
)

const (
	tasksPerSecond = 200
	handlers       = 8
)

// measureHandOver publishes tasks at a steady rate and measures how long each takes from the call that publishes it until a
// handler has it: through the platform's queue, and by a plain publisher and a plain consumer of amqp091-go on a quorum queue
// of the same server, with persistent messages, publisher confirms and acknowledgements. They take turns.
func measureHandOver(ctx context.Context, l *lab) (rows []row, err error) {
	length := 15 * time.Second
	if l.quick {
		length = 3 * time.Second
	}
	dir := filepath.Join(l.dir, "rabbitmq")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	server, err := testservers.StartRabbitMQ(ctx, dir, "consumer_timeout = 7200000")
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	var ours, bare []time.Duration // The 99th percentile of each round.
	for round := range l.rounds() {
		o, err := handOver(ctx, server.URL+"?consumer_timeout=2h", length)
		if err != nil {
			return nil, fmt.Errorf("the platform's queue: %w", err)
		}
		b, err := bareHandOver(ctx, server.URL, length)
		if err != nil {
			return nil, fmt.Errorf("plain publisher and consumer: %w", err)
		}
		ours, bare = append(ours, quantile(o, 0.99)), append(bare, quantile(b, 0.99))
		l.logf("round %d: p99 %s, plain %s; median %s, plain %s", round+1, ours[round], bare[round], quantile(o, 0.5), quantile(b, 0.5))
	}
	ratio := median(ours).Seconds() / median(bare).Seconds()
	return []row{{
		fmt.Sprintf("hand-over of a task, %d a second: p99", tasksPerSecond), fmt.Sprintf("plain amqp091-go: %.1f ms", median(bare).Seconds()*1e3),
		"≤ 1.5 times", fmt.Sprintf("%.2f times (%.1f ms)", ratio, median(ours).Seconds()*1e3), verdictOf(ratio <= 1.5),
	}}, nil
}

// clock notes when each task was published, and how long it took to arrive.
type clock struct {
	mu        sync.Mutex
	published []time.Time
	took      []time.Duration
}

// arrived notes that a task has arrived.
func (c *clock) arrived(id string) error {
	at := time.Now()
	n, err := strconv.Atoi(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || n >= len(c.published) {
		return fmt.Errorf("there is no task %q", id)
	}
	c.took = append(c.took, at.Sub(c.published[n]))
	return nil
}

// steadily publishes at the rate until the time is over, and waits until everything has arrived.
func (c *clock) steadily(ctx context.Context, length time.Duration, publish func(id string) error) error {
	var g errgroup.Group
	tick := time.NewTicker(time.Second / tasksPerSecond)
	defer tick.Stop()
	n := int(length.Seconds() * tasksPerSecond)
	for i := range n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		c.mu.Lock()
		c.published = append(c.published, time.Now())
		c.mu.Unlock()
		g.Go(func() error { return publish(strconv.Itoa(i)) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for range 1000 {
		c.mu.Lock()
		all := len(c.took) >= n
		c.mu.Unlock()
		if all {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("only %d of %d tasks arrived", len(c.took), n)
}

func handOver(ctx context.Context, url string, length time.Duration) (took []time.Duration, err error) {
	q, err := amqpqueue.New(amqpqueue.Config{URL: url})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	defer func() { cancel(); err = errors.Join(err, g.Wait(), q.Close()) }()
	g.Go(func() error { return q.Run(ctx) })
	if err := q.Ping(ctx); err != nil {
		return nil, err
	}
	var c clock
	for range handlers {
		g.Go(func() error {
			for {
				d, err := q.Receive(ctx)
				switch {
				case ctx.Err() != nil:
					return nil //nolint:nilerr // All have arrived.
				case err != nil:
					return err
				}
				if err := errors.Join(c.arrived(d.Task().JobID), d.Ack(ctx)); err != nil {
					return err
				}
			}
		})
	}
	err = c.steadily(ctx, length, func(id string) error {
		return q.Publish(ctx, caption.Task{Kind: caption.Transcribe, JobID: id, Run: 1})
	})
	return c.took, err
}

func bareHandOver(ctx context.Context, url string, length time.Duration) (took []time.Duration, err error) {
	const queue = "plain"
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	var g errgroup.Group
	defer func() { err = errors.Join(err, conn.Close(), g.Wait()) }()
	in, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	out, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	if _, err := out.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		return nil, fmt.Errorf("declare queue: %w", err)
	}
	if err := errors.Join(in.Confirm(false), out.Qos(handlers, 0, false)); err != nil {
		return nil, fmt.Errorf("prepare channels: %w", err)
	}
	deliveries, err := out.ConsumeWithContext(ctx, queue, "", false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume: %w", err)
	}
	var c clock
	for range handlers {
		g.Go(func() error {
			for d := range deliveries {
				if err := errors.Join(c.arrived(string(d.Body)), d.Ack(false)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = c.steadily(ctx, length, func(id string) error {
		confirm, err := in.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(id)})
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		if ok, err := confirm.WaitContext(ctx); err != nil || !ok {
			return fmt.Errorf("the server did not take a message: %w", err)
		}
		return nil
	})
	return c.took, err
}
