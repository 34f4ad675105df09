package redisevents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"k8s-scalers/internal/caption"
)

// The pauses between attempts to subscribe.
const (
	firstPause   = 20 * time.Millisecond
	longestPause = time.Second
)

// PublishEvent sends e to the subscribers in all processes.
func (r *Redis) PublishEvent(ctx context.Context, e caption.Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("publish an event: %w", err)
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	return r.fault("publish an event", r.client.Publish(ctx, r.channel(), body).Err())
}

func (r *Redis) channel() string { return r.cfg.Prefix + ":events" }

// Subscribe waits until events arrive in this process, then subscribes to those of a job.
func (r *Redis) Subscribe(ctx context.Context, jobID string) (<-chan *caption.Event, func(), error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	for {
		r.mu.Lock()
		if r.live {
			// Under the lock, so that a subscriber is never added while events do not arrive: it would not be told.
			defer r.mu.Unlock()
			return r.hub.Subscribe(ctx, jobID)
		}
		changed, why, closed := r.changed, r.why, r.closed
		r.mu.Unlock()
		if closed {
			return nil, nil, r.fault("subscribe", errClosed)
		}
		select {
		case <-ctx.Done():
			return nil, nil, r.fault("subscribe", errors.Join(ctx.Err(), why))
		case <-changed:
		}
	}
}

// Run receives events until ctx ends, and then returns nil. When the connection to Redis breaks, it closes the channels of
// all subscribers, because events may be missing, and connects again.
func (r *Redis) Run(ctx context.Context) error {
	pause := firstPause
	for ctx.Err() == nil && !r.isClosed() {
		wasLive, err := r.listen(ctx)
		r.down(err)
		if wasLive {
			pause = firstPause
		}
		if ctx.Err() == nil && !r.isClosed() {
			r.cfg.Logger.WarnContext(ctx, "events do not arrive from Redis; subscribing again", "pause", pause, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)): // so that not all processes come at once
		}
		pause = min(2*pause, longestPause)
	}
	return nil
}

// listen has one connection, and returns the error that ended it, and whether events arrived before.
func (r *Redis) listen(ctx context.Context) (wasLive bool, err error) {
	sub := r.client.Subscribe(ctx)
	defer func() { _ = sub.Close() }() // It may be closed already.
	// Reading does not heed ctx.
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() })
	defer stop()
	if err := sub.Subscribe(ctx, r.channel()); err != nil {
		return false, fmt.Errorf("subscribe: %w", err)
	}
	asked := false
	for {
		m, err := sub.ReceiveTimeout(ctx, r.cfg.Heartbeat)
		switch {
		case err == nil:
			asked = false
		case isTimeout(err) && !asked && ctx.Err() == nil:
			if err := sub.Ping(ctx); err != nil {
				return wasLive, fmt.Errorf("ask whether Redis lives: %w", err)
			}
			asked = true
			continue
		default:
			return wasLive, err
		}
		switch m := m.(type) {
		case *redis.Subscription:
			if wasLive {
				return wasLive, errors.New("the connection was replaced") // by the client, which does not say since when
			}
			wasLive = true
			r.up()
			r.cfg.Logger.InfoContext(ctx, "events arrive from Redis")
		case *redis.Message:
			var e caption.Event
			if err := json.Unmarshal([]byte(m.Payload), &e); err != nil {
				r.cfg.Logger.WarnContext(ctx, "an event cannot be read; is another program using the channel?", "channel", m.Channel, "error", err)
				continue
			}
			r.hub.Send(e)
		}
	}
}

func (r *Redis) up() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.live, r.why = true, nil
		r.announce()
	}
}

// down closes the channels of all subscribers.
func (r *Redis) down(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live, r.why = false, err
	r.hub.DropAll()
	r.announce()
}

func (r *Redis) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Redis) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}
