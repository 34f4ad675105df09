package eventstest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// RunTickets runs the suite of tickets.
func RunTickets(t *testing.T, f Features, open func(t *testing.T) caption.Tickets) {
	run(t, f, open, map[string]func(*testing.T, caption.Tickets){
		"Redeem":      testRedeem,
		"Unknown":     testUnknown,
		"Expiry":      testExpiry,
		"RedeemRace":  testRedeemRace,
		"Unguessable": testUnguessable,
		"Cancelled":   testTicketCancelled,
	})
}

func testRedeem(t *testing.T, k caption.Tickets) {
	values := []string{"user-1", "", "{\"user\":\"ü\"}", "a b\n\x00'", "user-1"}
	var tickets []string
	for _, value := range values {
		ticket, err := k.IssueTicket(t.Context(), value, time.Minute)
		require.NoError(t, err)
		tickets = append(tickets, ticket)
	}
	for i, ticket := range tickets {
		value, err := k.RedeemTicket(t.Context(), ticket)
		require.NoError(t, err)
		require.Equal(t, values[i], value)
		for range 2 {
			_, err = k.RedeemTicket(t.Context(), ticket)
			requireKind(t, caption.KindUnauthenticated, err)
		}
	}
}

func testUnknown(t *testing.T, k caption.Tickets) {
	ticket, err := k.IssueTicket(t.Context(), "user-1", time.Minute)
	require.NoError(t, err)
	for _, guess := range []string{"", " ", "user-1", "*", ticket + " ", ticket[1:], ticket + "\x00", "../" + ticket} {
		_, err := k.RedeemTicket(t.Context(), guess)
		requireKind(t, caption.KindUnauthenticated, err)
	}
	_, err = k.RedeemTicket(t.Context(), ticket)
	require.NoError(t, err, "wrong guesses do not use it up")
}

func testExpiry(t *testing.T, k caption.Tickets) {
	brief, err := k.IssueTicket(t.Context(), "brief", time.Second)
	require.NoError(t, err)
	long, err := k.IssueTicket(t.Context(), "long", time.Minute)
	require.NoError(t, err)
	time.Sleep(1100 * time.Millisecond)
	_, err = k.RedeemTicket(t.Context(), brief)
	requireKind(t, caption.KindUnauthenticated, err)
	value, err := k.RedeemTicket(t.Context(), long)
	require.NoError(t, err)
	require.Equal(t, "long", value)
}

func testRedeemRace(t *testing.T, k caption.Tickets) {
	for range 20 {
		ticket, err := k.IssueTicket(t.Context(), "user-1", time.Minute)
		require.NoError(t, err)
		var redeemed atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := k.RedeemTicket(t.Context(), ticket); err == nil {
					redeemed.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, redeemed.Load())
	}
}

func testUnguessable(t *testing.T, k caption.Tickets) {
	seen := map[string]bool{}
	for range 1000 {
		ticket, err := k.IssueTicket(t.Context(), "user-1", time.Minute)
		require.NoError(t, err)
		require.Regexp(t, `^[A-Za-z0-9_-]{22,}$`, ticket, "128 bits, safe in a URL")
		require.False(t, seen[ticket])
		seen[ticket] = true
	}
}

func testTicketCancelled(t *testing.T, k caption.Tickets) {
	ticket, err := k.IssueTicket(t.Context(), "user-1", time.Minute)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = k.IssueTicket(ctx, "user-1", time.Minute)
	require.ErrorIs(t, err, context.Canceled)
	_, err = k.RedeemTicket(ctx, ticket)
	require.ErrorIs(t, err, context.Canceled)
	_, err = k.RedeemTicket(t.Context(), ticket)
	require.NoError(t, err)
}
