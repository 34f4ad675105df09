// Package auth is auth-service: signing up and in, sessions with rotating refresh tokens, access tokens, and the keys
// that sign them. How other services verify access tokens is in package identity; how the records are stored, in
// package accounts and its adapters.
package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/identity"
)

// Deps is what the service needs. Fields that are described with a default may be left empty.
type Deps struct {
	Accounts accounts.Store
	// Limiter counts attempts to sign in; shared by all replicas.
	Limiter caption.Limiter

	Issuer   string // "iss" of access tokens; default: identity.DefaultIssuer
	Audience string // "aud" of access tokens; default: identity.DefaultAudience
	// KeyRotation is how long one key signs; default: 30 days, at least one hour.
	KeyRotation time.Duration
	// Passwords is the cost of hashing; default: DefaultHashing().
	Passwords Hashing
	// Limits are the rate limits; those that are empty are as in DefaultLimits().
	Limits Limits
	// ClientAddr tells the address of the client; default: ForwardedAddr.
	ClientAddr func(*http.Request) string

	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Service is auth-service.
type Service struct {
	accounts  accounts.Store
	keys      *keyring
	sessions  *sessions
	passwords *hasher
	limits    *limits
	metrics   *metrics
	now       func() time.Time
	log       *slog.Logger
}

// New returns the service. It touches no backend yet.
func New(d Deps) (*Service, error) {
	if d.Accounts == nil || d.Limiter == nil {
		return nil, errors.New("auth: the accounts store and the limiter are required")
	}
	if d.Issuer == "" {
		d.Issuer = identity.DefaultIssuer
	}
	if d.Audience == "" {
		d.Audience = identity.DefaultAudience
	}
	if d.KeyRotation == 0 {
		d.KeyRotation = 30 * 24 * time.Hour
	}
	if d.KeyRotation < time.Hour {
		return nil, fmt.Errorf("auth: keys cannot rotate every %s: an hour is the least, as verifiers keep keys for minutes", d.KeyRotation)
	}
	if d.Passwords == (Hashing{}) {
		d.Passwords = DefaultHashing()
	}
	if d.ClientAddr == nil {
		d.ClientAddr = ForwardedAddr
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(d.Registerer)
	if err != nil {
		return nil, err
	}
	passwords, err := newHasher(d.Passwords, m.hashes)
	if err != nil {
		return nil, err
	}
	return &Service{
		accounts: d.Accounts,
		keys: &keyring{store: d.Accounts, interval: d.KeyRotation, now: d.Now, log: d.Logger,
			issuer: identity.Issuer{Name: d.Issuer, Audience: d.Audience, TTL: identity.DefaultTTL}},
		sessions:  &sessions{store: d.Accounts, now: d.Now},
		passwords: passwords,
		limits:    &limits{limiter: d.Limiter, limits: d.Limits.withDefaults(), addr: d.ClientAddr},
		metrics:   m,
		now:       d.Now,
		log:       d.Logger,
	}, nil
}

// upkeepEvery is how often Run looks whether keys are to be rotated and sessions to be purged.
const upkeepEvery = 10 * time.Minute

// Run rotates the signing keys and forgets expired sessions, until ctx ends; then it returns nil. A round that fails is
// logged and made up for by the next. Every replica runs it.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		if err := s.upkeep(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "upkeep of keys and sessions failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Service) upkeep(ctx context.Context) error {
	_, keyErr := s.keys.maintain(ctx)
	n, err := s.accounts.PurgeSessions(ctx, s.now())
	if n > 0 {
		s.log.InfoContext(ctx, "expired sessions forgotten", "count", n)
	}
	return errors.Join(keyErr, err)
}
