package eventstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// RunLimiter runs the suite of rate limits.
func RunLimiter(t *testing.T, f Features, open func(t *testing.T) caption.Limiter) {
	run(t, f, open, map[string]func(*testing.T, caption.Limiter){
		"Window":        testWindow,
		"WindowStart":   testWindowStart,
		"Keys":          testKeys,
		"RefusedIsFree": testRefusedIsFree,
		"None":          testNone,
		"Race":          testLimiterRace,
		"Cancelled":     testLimiterCancelled,
	})
}

func requireAllowed(t *testing.T, l caption.Limiter, key string, n int, window time.Duration) {
	t.Helper()
	ok, retryAfter, err := l.Allow(t.Context(), key, n, window)
	require.NoError(t, err)
	require.True(t, ok)
	require.Zero(t, retryAfter)
}

func requireRefused(t *testing.T, l caption.Limiter, key string, n int, window time.Duration) time.Duration {
	t.Helper()
	ok, retryAfter, err := l.Allow(t.Context(), key, n, window)
	require.NoError(t, err)
	require.False(t, ok)
	require.Positive(t, retryAfter)
	require.LessOrEqual(t, retryAfter, window)
	return retryAfter
}

func testWindow(t *testing.T, l caption.Limiter) {
	const window = 2 * time.Second
	for range 3 {
		var wait time.Duration
		for range 5 {
			requireAllowed(t, l, "key", 5, window)
		}
		for range 3 {
			wait = requireRefused(t, l, "key", 5, window)
		}
		time.Sleep(wait) // It said so: then it is allowed.
	}
}

// testWindowStart shows that a window starts with the first event, not at a round time that somebody could wait for.
func testWindowStart(t *testing.T, l caption.Limiter) {
	const window = 2 * time.Second
	time.Sleep(700 * time.Millisecond)
	start := time.Now()
	requireAllowed(t, l, "key", 2, window)
	time.Sleep(window / 2)
	requireAllowed(t, l, "key", 2, window)
	wait := requireRefused(t, l, "key", 2, window)
	require.LessOrEqual(t, wait, window-window/2)
	time.Sleep(wait)
	require.GreaterOrEqual(t, time.Since(start), window-10*time.Millisecond)
	requireAllowed(t, l, "key", 2, window)
	requireAllowed(t, l, "key", 2, window)
	requireRefused(t, l, "key", 2, window)
}

func testKeys(t *testing.T, l caption.Limiter) {
	for _, key := range []string{"login:a", "login:b", "", "login:*", "ü \x00'"} {
		requireAllowed(t, l, key, 1, time.Minute)
		requireRefused(t, l, key, 1, time.Minute)
	}
}

// testRefusedIsFree shows that someone who keeps trying does not lock himself out for longer.
func testRefusedIsFree(t *testing.T, l caption.Limiter) {
	requireAllowed(t, l, "key", 1, time.Minute)
	before := requireRefused(t, l, "key", 1, time.Minute)
	for range 100 {
		require.LessOrEqual(t, requireRefused(t, l, "key", 1, time.Minute), before)
	}
	// Nor do the refused ones count where more are allowed.
	requireAllowed(t, l, "key", 2, time.Minute)
	requireRefused(t, l, "key", 2, time.Minute)
}

func testNone(t *testing.T, l caption.Limiter) {
	requireRefused(t, l, "key", 0, time.Minute)
	requireRefused(t, l, "key", 0, time.Minute)
}

func testLimiterRace(t *testing.T, l caption.Limiter) {
	const callers, n = 100, 10
	for round := range 3 {
		errs := make([]error, callers)
		var allowed atomic.Int32
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				ok, _, err := l.Allow(t.Context(), fmt.Sprint("key", round), n, time.Minute)
				errs[i] = err
				if ok {
					allowed.Add(1)
				}
			})
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		require.EqualValues(t, n, allowed.Load())
	}
}

func testLimiterCancelled(t *testing.T, l caption.Limiter) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := l.Allow(ctx, "key", 1, time.Minute)
	require.ErrorIs(t, err, context.Canceled)
	requireAllowed(t, l, "key", 1, time.Minute)
}
