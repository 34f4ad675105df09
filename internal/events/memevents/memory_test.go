package memevents

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// TestExpiredIsForgotten issues tickets and counts events for hours, and looks at what is still kept.
func TestExpiredIsForgotten(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	tickets, limiter := NewTickets(clock), NewLimiter(clock)
	for i := range 20_000 {
		_, err := tickets.IssueTicket(t.Context(), "user", 30*time.Second)
		require.NoError(t, err)
		_, _, err = limiter.Allow(t.Context(), fmt.Sprint("address", i), 5, 30*time.Second)
		require.NoError(t, err)
		now = now.Add(time.Second)
		// Those of the last half minute live; those of the minute between two sweeps may not be swept yet.
		require.LessOrEqual(t, len(tickets.tickets), 100)
		require.LessOrEqual(t, len(limiter.windows), 100)
	}
}

// TestBurst issues more in one second than between any two sweeps by time.
func TestBurst(t *testing.T) {
	now := time.Now()
	limiter := NewLimiter(func() time.Time { return now })
	for round := range 5 {
		for i := range 10_000 {
			_, _, err := limiter.Allow(t.Context(), fmt.Sprint(round, "-", i), 5, time.Second)
			require.NoError(t, err)
		}
		now = now.Add(2 * time.Second)
		require.LessOrEqual(t, len(limiter.windows), 30_000)
	}
	now = now.Add(time.Hour)
	_, _, err := limiter.Allow(t.Context(), "one more", 5, time.Second)
	require.NoError(t, err)
	require.Len(t, limiter.windows, 1)
}

func TestNothingIsLeft(t *testing.T) {
	h := NewEvents()
	for i := range 100 {
		_, cancel, err := h.Subscribe(t.Context(), fmt.Sprint("job", i))
		require.NoError(t, err)
		defer cancel()
		for range 2 * buffer {
			require.NoError(t, h.PublishEvent(t.Context(), caption.Event{Job: caption.Job{ID: fmt.Sprint("job", i)}}))
		}
	}
	require.Empty(t, h.jobs, "those that were too slow are gone")
}

// TestSubscriberIsSmall measures what a subscriber costs here; a connection and its goroutines come on top.
func TestSubscriberIsSmall(t *testing.T) {
	const n = 2000
	h := NewEvents()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		_, cancel, err := h.Subscribe(t.Context(), fmt.Sprint("job", i))
		require.NoError(t, err)
		defer cancel()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%d bytes a subscriber", each)
	require.Less(t, each, 20_000)
}

func BenchmarkPublishTo2000(b *testing.B) {
	h := NewEvents()
	var all []<-chan caption.Event
	for range 2000 {
		events, cancel, err := h.Subscribe(b.Context(), "job")
		require.NoError(b, err)
		defer cancel()
		all = append(all, events)
	}
	for b.Loop() {
		require.NoError(b, h.PublishEvent(b.Context(), caption.Event{Job: caption.Job{ID: "job"}}))
		for _, events := range all {
			<-events
		}
	}
}
