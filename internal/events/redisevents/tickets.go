package redisevents

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"k8s-scalers/internal/caption"
)

// IssueTicket returns a new ticket of 130 random bits.
func (r *Redis) IssueTicket(ctx context.Context, value string, ttl time.Duration) (string, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	ticket := rand.Text()
	if err := r.client.Set(ctx, r.ticketKey(ticket), value, max(ttl, time.Millisecond)).Err(); err != nil {
		return "", r.fault("issue a ticket", err)
	}
	return ticket, nil
}

// RedeemTicket returns what the ticket stands for.
func (r *Redis) RedeemTicket(ctx context.Context, ticket string) (string, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	value, err := r.client.GetDel(ctx, r.ticketKey(ticket)).Result()
	if errors.Is(err, redis.Nil) {
		return "", caption.Errorf(caption.KindUnauthenticated, "The ticket is unknown, used or expired. Ask for a new one.").WithCode("bad_ticket")
	}
	if err != nil {
		return "", r.fault("redeem a ticket", err)
	}
	return value, nil
}

func (r *Redis) ticketKey(ticket string) string { return r.cfg.Prefix + ":ticket:" + ticket }
