package identity

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"k8s-scalers/internal/caption"
)

// Defaults that auth-service, which issues, and all other services, which verify, agree on.
const (
	DefaultIssuer   = "captions-auth"
	DefaultAudience = "captions"
	DefaultTTL      = 15 * time.Minute
	// DefaultLeeway is how far the clocks of two machines may differ.
	DefaultLeeway = 30 * time.Second
)

// maxToken is the longest token that is looked at, in bytes. Ours have about 600.
const maxToken = 4096

// tokenType marks access tokens (RFC 9068), so that no other kind of signed token can pass for one.
const tokenType = "at+jwt"

// SigningKey signs access tokens.
type SigningKey struct {
	ID      string
	Private ed25519.PrivateKey
}

// Issuer makes access tokens.
type Issuer struct {
	Name     string        // the "iss" claim
	Audience string        // the "aud" claim
	TTL      time.Duration // how long a token is valid
}

// claims are the claims of an access token.
type claims struct {
	jwt.RegisteredClaims
	Email string `json:"email"`
}

// Issue returns a new access token for u, signed with key.
func (i Issuer) Issue(key SigningKey, u User, now time.Time) (token string, expires time.Time, err error) {
	now = now.Truncate(time.Second)
	expires = now.Add(i.TTL).UTC()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    i.Name,
			Audience:  jwt.ClaimStrings{i.Audience},
			Subject:   u.ID,
			IssuedAt:  jwt.NewNumericDate(now),
			NotBefore: jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
			ID:        caption.NewID(),
		},
		Email: u.Email,
	})
	t.Header["kid"], t.Header["typ"] = key.ID, tokenType
	token, err = t.SignedString(key.Private)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign access token: %w", err)
	}
	return token, expires, nil
}

// Claims are what a verified token says.
type Claims struct {
	User    User
	Expires time.Time
}

// KeySource returns the public key of a key id. It returns [ErrUnknownKey] where there is no such key; any other error
// means that it could not find out.
type KeySource func(ctx context.Context, kid string) (ed25519.PublicKey, error)

// ErrUnknownKey says that no key has the key id of a token.
var ErrUnknownKey = errors.New("unknown signing key")

// Rules are what an access token must fulfil, besides its signature.
type Rules struct {
	Issuer   string
	Audience string
	Leeway   time.Duration
	Now      func() time.Time
}

// Check verifies a token. It accepts Ed25519 signatures only, whatever the token says, and only tokens for exactly this
// issuer and this audience that carry an expiry, a subject and a key id. Errors are as in [Verifier].
func (r Rules) Check(ctx context.Context, token string, keys KeySource) (Claims, error) {
	if len(token) > maxToken {
		return Claims{}, badToken(fmt.Errorf("%d bytes long", len(token)))
	}
	var keyErr error
	var c claims
	parsed, err := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithIssuer(r.Issuer),
		jwt.WithAudience(r.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithNotBeforeRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(r.Leeway),
		jwt.WithTimeFunc(r.Now),
		jwt.WithStrictDecoding(),
	).ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, err := checkHeader(t.Header)
		if err != nil {
			return nil, err
		}
		var key ed25519.PublicKey
		key, keyErr = keys(ctx, kid)
		return key, keyErr
	})
	switch {
	case keyErr != nil && !errors.Is(keyErr, ErrUnknownKey):
		return Claims{}, keyErr
	case errors.Is(err, jwt.ErrTokenExpired):
		return Claims{}, caption.Errorf(caption.KindUnauthenticated, "The access token has expired. Refresh it or sign in again.").WithCode("token_expired")
	case err != nil:
		return Claims{}, badToken(err)
	case !parsed.Valid || c.Subject == "" || len(c.Audience) != 1:
		return Claims{}, badToken(errors.New("no subject, or several audiences"))
	}
	return Claims{User: User{ID: c.Subject, Email: c.Email}, Expires: c.ExpiresAt.UTC()}, nil
}

// checkHeader returns the key id. It refuses tokens of other types, and those with extensions that must be understood
// ("crit", RFC 7515), as we understand none.
func checkHeader(h map[string]any) (kid string, err error) {
	if _, has := h["crit"]; has {
		return "", errors.New("critical extensions")
	}
	if typ, _ := h["typ"].(string); typ != tokenType {
		return "", fmt.Errorf("type %.20q", typ)
	}
	kid, _ = h["kid"].(string)
	if kid == "" || len(kid) > 64 {
		return "", errors.New("no usable key id")
	}
	return kid, nil
}

func badToken(cause error) error {
	return caption.Errorf(caption.KindUnauthenticated, "The access token is not valid. Sign in again.").WithCode("token_invalid").WithCause(cause)
}
