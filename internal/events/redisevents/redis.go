// Package redisevents tells of changes, keeps tickets and limits rates in Redis, for the deployment in which services have
// processes of their own and replicas. Whatever is here may be lost with Redis: the record is the store's.
//
// A process has one subscription, to the events of all jobs, and hands them out in memory: so a subscriber costs Redis
// nothing, and subscribing takes no exchange with it.
package redisevents

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/events/fanout"
)

// Config says where Redis is. Only URL must be set.
type Config struct {
	// URL is one of
	//   redis://user:password@host:6379/0                               one server; the number is that of the database
	//   redis+sentinel://host:26379/0?master_name=NAME&addr=host2:26379 whichever is the master; username and password are
	//                                                                   parameters, and user:password@ is for the Sentinels
	//   redis+cluster://user:password@host:6379?addr=host2:6379         a cluster, of which some nodes are named
	// with rediss, rediss+sentinel and rediss+cluster for TLS. Further parameters are those of go-redis, such as
	// pool_size=50.
	URL string
	// Prefix begins the names of all keys and channels; empty means captions. Deployments that share a Redis have one each.
	Prefix string
	// Timeout bounds each call; 0 means 2 s.
	Timeout time.Duration
	// Heartbeat is how long the subscription may be silent before it is asked whether it lives; 0 means 5 s. A dead one is
	// noticed after twice that.
	Heartbeat time.Duration
	Logger    *slog.Logger
}

// Redis implements [caption.Events], [caption.Tickets] and [caption.Limiter].
type Redis struct {
	cfg    Config
	client redis.UniversalClient
	hub    *fanout.Hub

	mu      sync.Mutex
	live    bool          // events arrive
	changed chan struct{} // closed, and replaced, when live changes
	why     error         // why events do not arrive
	closed  bool
}

// New returns a client that is not connected yet. Subscribers need [Redis.Run] to run beside it.
func New(cfg Config) (*Redis, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = "captions"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 5 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	connect, err := parseURL(cfg)
	if err != nil {
		return nil, err
	}
	return &Redis{
		cfg: cfg, client: connect(), hub: fanout.NewHub(), changed: make(chan struct{}), why: errors.New("not connected yet"),
	}, nil
}

// Ping returns nil when Redis answers. The error is of [caption.KindInvalid] when it does, and refuses us.
func (r *Redis) Ping(ctx context.Context) error {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	return r.fault("ping", r.client.Ping(ctx).Err())
}

// Close ends the connections and all subscriptions.
func (r *Redis) Close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if closed {
		return nil
	}
	r.down(errClosed)
	if err := r.client.Close(); err != nil {
		return fmt.Errorf("close Redis: %w", err)
	}
	return nil
}

var errClosed = errors.New("the client is closed")

// parseURL returns what makes the client of the kind that the URL names.
func parseURL(cfg Config) (func() redis.UniversalClient, error) {
	before, rest, ok := strings.Cut(cfg.URL, "://")
	scheme, kind, _ := strings.Cut(before, "+")
	if !ok || rest == "" || scheme != "redis" && scheme != "rediss" {
		return nil, badURL("it must begin with redis://, redis+sentinel:// or redis+cluster://, or with rediss instead of redis for TLS")
	}
	plain := scheme + "://" + rest
	// Nothing is tried twice by the client: an event must not arrive twice, and what was counted must not be counted again.
	switch kind {
	case "":
		o, err := redis.ParseURL(plain)
		if err != nil {
			return nil, badURL("%s", reason(err))
		}
		setTimeouts(cfg.Timeout, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
		o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return func() redis.UniversalClient { return redis.NewClient(o) }, nil
	case "sentinel":
		o, err := redis.ParseFailoverURL(plain)
		if err != nil {
			return nil, badURL("%s", reason(err))
		}
		if o.MasterName == "" {
			return nil, badURL("redis+sentinel needs the parameter master_name")
		}
		setTimeouts(cfg.Timeout, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
		o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
		o.TLSConfig = anyName(o.TLSConfig)
		return func() redis.UniversalClient { return redis.NewFailoverClient(o) }, nil
	case "cluster":
		o, err := redis.ParseClusterURL(plain)
		if err != nil {
			return nil, badURL("%s", reason(err))
		}
		setTimeouts(cfg.Timeout, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
		o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		o.TLSConfig = anyName(o.TLSConfig)
		return func() redis.UniversalClient { return redis.NewClusterClient(o) }, nil
	}
	return nil, badURL("redis+%s is not known; known are redis, redis+sentinel and redis+cluster", kind)
}

// anyName lets each server be checked against the name that it is reached by, rather than all against the first's.
func anyName(c *tls.Config) *tls.Config {
	if c != nil {
		c.ServerName = ""
	}
	return c
}

// setTimeouts sets those that the URL has not set.
func setTimeouts(timeout time.Duration, all ...*time.Duration) {
	for _, t := range all {
		if *t == 0 {
			*t = timeout
		}
	}
}

func badURL(format string, args ...any) error {
	return caption.Errorf(caption.KindInvalid, "The URL of Redis is wrong: "+format+".", args...).WithCode("bad_settings")
}

// reason is what the parser says, unless it repeats the URL, which may have a password in it.
func reason(err error) string {
	if text, ok := strings.CutPrefix(err.Error(), "redis: "); ok {
		return text
	}
	return "it cannot be read; special characters in the password must be percent-encoded"
}

// bounded returns a context that also ends after the timeout of one call.
func (r *Redis) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.cfg.Timeout)
}

// fault says what was being done when err happened, and what a user can do about it. nil stays nil.
func (r *Redis) fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", doing, err)
	if redis.HasErrorPrefix(err, "WRONGPASS") || redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "NOPERM") {
		return caption.Errorf(caption.KindInvalid, "Redis refuses the user or the password of its URL, or the user lacks permissions.").
			WithCode("bad_settings").WithCause(err)
	}
	return caption.Errorf(caption.KindUnavailable, "The event service cannot be reached. Try again in a moment.").
		WithCode("events_unavailable").WithCause(err)
}

// isTimeout tells whether nothing was heard in time.
func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}
