package memevents

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"k8s-scalers/internal/caption"
)

// Tickets implements [caption.Tickets].
type Tickets struct {
	now     func() time.Time
	mu      sync.Mutex
	tickets map[string]ticket
	sweeper sweeper
}

type ticket struct {
	value   string
	expires time.Time
}

// NewTickets returns an empty set of tickets; now is the clock, nil means [time.Now].
func NewTickets(now func() time.Time) *Tickets {
	if now == nil {
		now = time.Now
	}
	return &Tickets{now: now, tickets: map[string]ticket{}}
}

// IssueTicket returns a new ticket of 130 random bits.
func (t *Tickets) IssueTicket(ctx context.Context, value string, ttl time.Duration) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	id := rand.Text()
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sweeper.due(now, len(t.tickets)) {
		for id, k := range t.tickets {
			if !now.Before(k.expires) {
				delete(t.tickets, id)
			}
		}
		t.sweeper.swept(now, len(t.tickets))
	}
	t.tickets[id] = ticket{value, now.Add(ttl)}
	return id, nil
}

// RedeemTicket returns what the ticket stands for.
func (t *Tickets) RedeemTicket(ctx context.Context, id string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.tickets[id]
	delete(t.tickets, id)
	if !ok || !t.now().Before(k.expires) {
		return "", caption.Errorf(caption.KindUnauthenticated, "The ticket is unknown, used or expired. Ask for a new one.").WithCode("bad_ticket")
	}
	return k.value, nil
}
