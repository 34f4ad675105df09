package memevents

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
