package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/caption"
)

const (
	// sessionIdle is how long a session lives without a refresh.
	sessionIdle = 30 * 24 * time.Hour
	// sessionMax is how long a session lives, however often it is refreshed.
	sessionMax = 365 * 24 * time.Hour
	// refreshGrace is how long a refresh token that was just exchanged yields its successor once more.
	refreshGrace = 10 * time.Second
)

// Outcomes of a refresh, for the metric.
const (
	rotated  = "rotated"
	repeated = "repeated" // within the grace period
	reused   = "reused"
	invalid  = "invalid" // unknown, ended, expired, or no token at all
)

// sessions gives out refresh tokens and exchanges them.
//
// A refresh token is the id of its session and a secret: "<id>.<secret>". Exchanging it yields the next one, and the session
// knows only the sums of the current and the previous secret. Any other secret under the id of a session is an
// older token, so somebody has a copy: the session ends for everybody.
//
// Tabs of one browser share a cookie and may refresh at the same moment. The loser of that race presents a token
// that is just no longer current, which must not end the session. So for refreshGrace the previous token is answered
// with the very token that it was exchanged for. That does not weaken the detection, because the family never
// forks: a thief who is that quick holds the same token as the owner, and when both have used it, the later one, after
// the grace period, presents an old token and ends the session. To make the same answer possible without storing
// a token, the next secret is derived: HMAC-SHA256 of a stored random seed, keyed with the secret that is exchanged.
// Neither the store alone nor an old token alone is enough to compute it.
type sessions struct {
	store accounts.Sessions
	now   func() time.Time
}

// begin starts a session and returns its first refresh token.
func (s *sessions) begin(ctx context.Context, userID string) (token string, expires time.Time, err error) {
	secret, now := randomSecret(), s.now()
	session := accounts.Session{ID: caption.NewID(), UserID: userID, Current: sum(secret), Created: now, Expires: now.Add(sessionIdle)}
	if err := s.store.CreateSession(ctx, session); err != nil {
		return "", time.Time{}, err
	}
	return session.ID + "." + secret, session.Expires, nil
}

// grant is what a refresh token was exchanged for.
type grant struct {
	userID  string
	token   string
	expires time.Time
	outcome string
}

// exchange returns the next refresh token for one. The outcome is set with an error, too.
func (s *sessions) exchange(ctx context.Context, token string) (grant, error) {
	id, secret, ok := splitToken(token)
	if !ok {
		return grant{outcome: invalid}, errRefreshInvalid()
	}
	// When another request exchanges the same token in between, the second round sees what it has made of the session.
	for {
		session, err := s.store.Session(ctx, id)
		if isNotFound(err) {
			return grant{outcome: invalid}, errRefreshInvalid()
		}
		if err != nil {
			return grant{}, err
		}
		now := s.now()
		switch presented := sum(secret); {
		case !now.Before(session.Expires):
			return grant{outcome: invalid}, errRefreshInvalid()
		case presented == session.Current:
			next := session
			next.Seed = randomSecret()
			successor := derive(secret, next.Seed)
			next.Previous, next.Current, next.Rotated = presented, sum(successor), now
			next.Expires = earlier(now.Add(sessionIdle), session.Created.Add(sessionMax))
			err := s.store.RotateSession(ctx, next)
			if caption.KindOf(err) == caption.KindConflict {
				continue
			}
			return grant{session.UserID, id + "." + successor, next.Expires, rotated}, err
		case presented == session.Previous && now.Sub(session.Rotated) < refreshGrace:
			return grant{session.UserID, id + "." + derive(secret, session.Seed), session.Expires, repeated}, nil
		default:
			if err := s.store.EndSession(ctx, id); err != nil {
				return grant{}, err
			}
			return grant{userID: session.UserID, outcome: reused}, caption.Errorf(caption.KindUnauthenticated,
				"This sign-in was ended for safety, because an old refresh token of it was used again. Sign in again.").
				WithCode("refresh_reused")
		}
	}
}

// end ends the session of a refresh token, be it the current one or an old one.
func (s *sessions) end(ctx context.Context, token string) error {
	id, _, ok := splitToken(token)
	if !ok {
		return nil
	}
	return s.store.EndSession(ctx, id)
}

func errRefreshInvalid() error {
	return caption.Errorf(caption.KindUnauthenticated, "Your sign-in has ended. Sign in again.").WithCode("refresh_invalid")
}

// secretLen is the length of 32 bytes in base64url without padding.
const secretLen = 43

// splitToken takes a refresh token apart; ok is false for what can be none.
func splitToken(token string) (id, secret string, ok bool) {
	id, secret, ok = strings.Cut(token, ".")
	return id, secret, ok && caption.ValidID(id) && len(secret) == secretLen
}

func randomSecret() string {
	b := make([]byte, sha256.Size)
	_, _ = rand.Read(b) // It never fails: it ends the process instead.
	return base64.RawURLEncoding.EncodeToString(b)
}

func derive(secret, seed string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte("refresh token after this one\x00" + seed))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func sum(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
