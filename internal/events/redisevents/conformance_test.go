package redisevents_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/events/eventstest"
	"k8s-scalers/internal/events/redisevents"
	"k8s-scalers/internal/testservers"
)

func TestMain(m *testing.M) {
	redisevents.LogTo(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

var prefixes atomic.Int64

// open starts a client with a name space of its own, unless cfg has one, and its Run.
func open(t *testing.T, cfg redisevents.Config) *redisevents.Redis {
	if cfg.Prefix == "" {
		cfg.Prefix = fmt.Sprint("test", prefixes.Add(1))
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second // The machine may be slow.
	}
	r, err := redisevents.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
	})
	t.Cleanup(stop)
	return r
}

func runAll(t *testing.T, url string) {
	f := eventstest.Features{}
	t.Run("Events", func(t *testing.T) {
		eventstest.RunEvents(t, f, func(t *testing.T) caption.Events { return open(t, redisevents.Config{URL: url}) })
	})
	t.Run("Tickets", func(t *testing.T) {
		eventstest.RunTickets(t, f, func(t *testing.T) caption.Tickets { return open(t, redisevents.Config{URL: url}) })
	})
	t.Run("Limiter", func(t *testing.T) {
		eventstest.RunLimiter(t, f, func(t *testing.T) caption.Limiter { return open(t, redisevents.Config{URL: url}) })
	})
}

// TestConformance uses the server of REDIS_URL, where that is set.
func TestConformance(t *testing.T) {
	url := os.Getenv("REDIS_URL")
	if url == "" {
		url = "redis://" + testservers.NewRedis(t).Addr + "/3"
	}
	runAll(t, url)
}

func TestConformanceOfCluster(t *testing.T) {
	r := testservers.NewRedis(t, "--cluster-enabled", "yes")
	require.Equal(t, "+OK", r.Command(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383"))
	require.Eventually(t, func() bool { return r.Command(t, "SET", "key", "value") == "+OK" }, 30*time.Second, 20*time.Millisecond)
	runAll(t, "redis+cluster://"+r.Addr)
}
