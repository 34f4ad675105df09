package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/identity"
)

const (
	// keyLead is how long a key is published before it signs: longer than any verifier goes without asking for keys.
	keyLead = 20 * time.Minute
	// keySlack is how long a key stays published after the last token that it signed has expired. It covers the
	// leeway of verifiers and replicas whose clocks differ.
	keySlack = 5 * time.Minute
	// jwksMaxAge is how long others may keep the published keys.
	jwksMaxAge = 5 * time.Minute
)

// keyring signs and verifies access tokens with the keys of the store. It keeps no copy of them: the store is
// read each time, a read of a few rows, so that all replicas agree at every moment.
//
// Key n signs from its activation until that of key n+1. Each is published keyLead before it signs, and stays
// published until every token that it signed has expired, so that a rotation invalidates nothing still valid.
type keyring struct {
	store    accounts.Keys
	issuer   identity.Issuer
	interval time.Duration
	now      func() time.Time
	log      *slog.Logger
}

// maintain adds the next key when it is due, and the first one at once; forgets keys that are no longer needed; and
// returns those that are.
func (k *keyring) maintain(ctx context.Context) ([]accounts.SigningKey, error) {
	keys, err := k.store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	now := k.now()
	if n := len(keys); n == 0 || !now.Before(keys[n-1].Activates.Add(k.interval-keyLead)) {
		next := accounts.SigningKey{ID: caption.NewID(), Serial: 1, Seed: make([]byte, ed25519.SeedSize), Created: now, Activates: now}
		_, _ = rand.Read(next.Seed) // It never fails: it ends the process instead.
		if n > 0 {
			next.Serial, next.Activates = keys[n-1].Serial+1, now.Add(keyLead)
		}
		switch err := k.store.AddKey(ctx, next); {
		case err == nil:
			k.log.InfoContext(ctx, "new signing key", "kid", next.ID, "serial", next.Serial, "signs_from", next.Activates)
		case caption.KindOf(err) != caption.KindConflict: // A conflict means that another replica was first.
			return nil, err
		}
		if keys, err = k.store.Keys(ctx); err != nil {
			return nil, err
		}
	}
	for len(keys) > 1 && now.After(keys[1].Activates.Add(k.issuer.TTL+keySlack)) {
		if err := k.store.DropKey(ctx, keys[0].ID); err != nil {
			return nil, err
		}
		k.log.InfoContext(ctx, "signing key forgotten", "kid", keys[0].ID, "serial", keys[0].Serial)
		keys = keys[1:]
	}
	return keys, nil
}

// published returns the keys of the store, and makes the first one where there is none.
func (k *keyring) published(ctx context.Context) ([]accounts.SigningKey, error) {
	keys, err := k.store.Keys(ctx)
	if err == nil && len(keys) == 0 {
		keys, err = k.maintain(ctx)
	}
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("the store has no signing key after one was added")
	}
	return keys, err
}

// issue returns a new access token.
func (k *keyring) issue(ctx context.Context, u identity.User) (token string, expires time.Time, err error) {
	keys, err := k.published(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	now := k.now()
	current := keys[0]
	for _, key := range keys[1:] {
		if !now.Before(key.Activates) {
			current = key
		}
	}
	return k.issuer.Issue(identity.SigningKey{ID: current.ID, Private: ed25519.NewKeyFromSeed(current.Seed)}, u, now)
}

// jwks returns the public keys.
func (k *keyring) jwks(ctx context.Context) (identity.JWKS, error) {
	keys, err := k.published(ctx)
	if err != nil {
		return identity.JWKS{}, err
	}
	set := identity.JWKS{Keys: make([]identity.JWK, len(keys))}
	for i, key := range keys {
		set.Keys[i] = identity.NewJWK(key.ID, public(key))
	}
	return set, nil
}

// check verifies an access token.
func (k *keyring) check(ctx context.Context, token string) (identity.Claims, error) {
	rules := identity.Rules{Issuer: k.issuer.Name, Audience: k.issuer.Audience, Leeway: identity.DefaultLeeway, Now: k.now}
	return rules.Check(ctx, token, func(ctx context.Context, kid string) (ed25519.PublicKey, error) {
		keys, err := k.store.Keys(ctx)
		if err != nil {
			return nil, fmt.Errorf("read signing keys: %w", err)
		}
		for _, key := range keys {
			if key.ID == kid {
				return public(key), nil
			}
		}
		return nil, identity.ErrUnknownKey
	})
}

func public(k accounts.SigningKey) ed25519.PublicKey {
	return ed25519.NewKeyFromSeed(k.Seed).Public().(ed25519.PublicKey)
}
