package auth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/auth"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/identity"
)

func (f *fixture) jwks() map[string]ed25519.PublicKey {
	f.t.Helper()
	a := f.do(http.MethodGet, "/.well-known/jwks.json", nil)
	require.Equal(f.t, http.StatusOK, a.status, a.body)
	require.Equal(f.t, "public, max-age=300", a.header.Get("Cache-Control"))
	keys, err := identity.ParseJWKS([]byte(a.body))
	require.NoError(f.t, err)
	return keys
}

func (f *fixture) verifier() *identity.JWKSVerifier {
	return identity.NewJWKSVerifier(identity.JWKSDeps{URL: f.server.URL + identity.JWKSPath, Client: f.server.Client(), Now: f.clock.now})
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	require.NoError(t, err)
	return parsed.Header["kid"].(string)
}

func TestOtherServicesVerify(t *testing.T) {
	f := setup(t)
	in := f.signup("ann@example.org")
	u, err := f.verifier().Verify(t.Context(), in.text("access_token"))
	require.NoError(t, err)
	require.Equal(t, identity.User{ID: in.json["user"].(object)["id"].(string), Email: "ann@example.org"}, u)
}

func TestJWKSGivesAwayNoPrivateKey(t *testing.T) {
	f := setup(t)
	a := f.do(http.MethodGet, identity.JWKSPath, nil)
	keys, err := f.store.Keys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 1, "the first key is made when it is first needed")
	require.NotContains(t, a.body, `"d"`)
	for _, enc := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		require.NotContains(t, a.body, enc.EncodeToString(keys[0].Seed))
	}
}

// forged is a token for an existing user, with the claims that the service expects.
func forged(t *testing.T, f *fixture, method jwt.SigningMethod, key any, kid, user string, change object) string {
	t.Helper()
	now := f.clock.now()
	c := jwt.MapClaims{"iss": identity.DefaultIssuer, "aud": identity.DefaultAudience, "sub": user, "email": "ann@example.org", "jti": "x",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(15 * time.Minute).Unix()}
	maps.Copy(c, change)
	token := jwt.NewWithClaims(method, c)
	token.Header["kid"], token.Header["typ"] = kid, "at+jwt"
	s, err := token.SignedString(key)
	require.NoError(t, err)
	return s
}

// Package identity tests the rules in full; here is that the service applies them, with what an attacker can really get.
func TestTokenAttacks(t *testing.T) {
	f := setup(t)
	in := f.signup("ann@example.org")
	user := in.json["user"].(object)["id"].(string)
	keys, err := f.store.Keys(t.Context())
	require.NoError(t, err)
	private, kid := ed25519.NewKeyFromSeed(keys[0].Seed), keys[0].ID
	published := f.jwks()[kid]
	require.NotNil(t, published)
	_, foreign, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	now := f.clock.now()
	parts := strings.Split(in.text("access_token"), ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	tampered := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), user, caption.NewID(), 1)))
	eddsa := jwt.SigningMethodEdDSA

	require.Equal(t, http.StatusOK, f.me(forged(t, f, eddsa, private, kid, user, nil)).status, "the forger itself works")
	for name, token := range map[string]string{
		"alg none":                 forged(t, f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, kid, user, nil),
		"HS256 of the public key":  forged(t, f, jwt.SigningMethodHS256, []byte(published), kid, user, nil),
		"HS256 of its JSON":        forged(t, f, jwt.SigningMethodHS256, []byte(base64.RawURLEncoding.EncodeToString(published)), kid, user, nil),
		"another key":              forged(t, f, eddsa, foreign, kid, user, nil),
		"another key, unknown kid": forged(t, f, eddsa, foreign, "unknown", user, nil),
		"wrong audience":           forged(t, f, eddsa, private, kid, user, object{"aud": "windtunnel"}),
		"wrong issuer":             forged(t, f, eddsa, private, kid, user, object{"iss": "elsewhere"}),
		"expired":                  forged(t, f, eddsa, private, kid, user, object{"exp": now.Add(-time.Minute).Unix()}),
		"not yet valid":            forged(t, f, eddsa, private, kid, user, object{"nbf": now.Add(time.Minute).Unix()}),
		"a user that is gone":      forged(t, f, eddsa, private, kid, caption.NewID(), nil),
		"another user's name":      parts[0] + "." + tampered + "." + parts[2],
		"a refresh token":          in.text("refresh_token"),
		"huge":                     in.text("access_token") + strings.Repeat("A", 6000),
	} {
		t.Run(name, func(t *testing.T) {
			a := f.me(token)
			require.Equal(t, http.StatusUnauthorized, a.status, a.body)
			require.Contains(t, []string{"token_invalid", "token_expired"}, a.json["code"])
			require.Equal(t, `Bearer realm="captions"`, a.header.Get("WWW-Authenticate"))
			require.Equal(t, object{"active": false}, f.post("validate", object{"token": token}).json)
		})
	}
}

// Two replicas rotate quickly for two virtual days, with clocks that differ by some seconds. At every moment each token that has
// not expired must be accepted by a verifier that caches keys, and every key is known to it before it signs.
func TestRotationInvalidatesNothingStillValid(t *testing.T) {
	store := newStore(t)
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	quick := func(d *auth.Deps) { d.KeyRotation = 2 * time.Hour }
	a, b := replica(t, store, &clock{t: begin}, quick), replica(t, store, &clock{t: begin.Add(5 * time.Second)}, quick)
	verifier := a.verifier()
	refresh := a.signup("ann@example.org").text("refresh_token")

	type issued struct {
		token   string
		expires time.Time
	}
	var valid []issued
	signed := map[string]bool{}
	announced := map[string]time.Time{}
	steps := int(48 * time.Hour / (5 * time.Minute))
	for i := range steps {
		f := []*fixture{a, b}[i%2]
		if i%2 == 0 { // Every ten minutes, as Run does.
			a.service.Upkeep(t.Context())
			b.service.Upkeep(t.Context())
		}
		for kid := range f.jwks() {
			if _, known := announced[kid]; !known {
				announced[kid] = a.clock.now()
			}
		}
		ans := f.refresh(refresh)
		require.Equal(t, http.StatusOK, ans.status, ans.body)
		refresh = ans.text("refresh_token")
		token := ans.text("access_token")
		if kid := kidOf(t, token); !signed[kid] {
			if len(signed) > 0 {
				require.GreaterOrEqual(t, a.clock.now().Sub(announced[kid]), 15*time.Minute, "a key is announced before it signs")
			}
			signed[kid] = true
		}
		valid = append(valid, issued{token, f.clock.now().Add(15 * time.Minute)})
		for len(valid) > 0 && !a.clock.now().Before(valid[0].expires) {
			valid = valid[1:]
		}
		for _, v := range valid {
			_, err := verifier.Verify(t.Context(), v.token)
			require.NoError(t, err, "step %d", i)
		}
		require.Equal(t, http.StatusOK, f.me(valid[0].token).status)
		a.clock.advance(5 * time.Minute)
		b.clock.advance(5 * time.Minute)
	}
	require.InDelta(t, 24, len(signed), 3, "a key signs for about two hours")
	keys, err := store.Keys(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, len(keys), 3, "old keys are forgotten")
}

// When nobody ran for months the old key goes on signing until the new one is known.
func TestKeyAfterALongPause(t *testing.T) {
	f := setup(t)
	refresh := f.signup("ann@example.org")
	old := kidOf(t, refresh.text("access_token"))
	f.clock.advance(200 * day)
	f.service.Upkeep(t.Context())
	in := f.login("ann@example.org", password)
	require.Equal(t, old, kidOf(t, in.text("access_token")))
	require.Len(t, f.jwks(), 2)
	f.clock.advance(21 * time.Minute)
	in = f.login("ann@example.org", password)
	require.NotEqual(t, old, kidOf(t, in.text("access_token")))
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		defer func() { require.NoError(t, store.Close()) }()
		s, err := auth.New(auth.Deps{Accounts: store, Limiter: &limiter{now: time.Now}})
		require.NoError(t, err)
		keys := func() []accounts.SigningKey {
			k, err := store.Keys(t.Context())
			require.NoError(t, err)
			return k
		}
		require.Empty(t, keys(), "New touches nothing")

		u := accounts.User{ID: caption.NewID(), Email: "ann@example.org", Created: time.Now()}
		require.NoError(t, store.CreateUser(t.Context(), u))
		session := accounts.Session{ID: caption.NewID(), UserID: u.ID, Current: "c", Created: time.Now(), Expires: time.Now().Add(day)}
		require.NoError(t, store.CreateSession(t.Context(), session))

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(time.Minute)
		require.Len(t, keys(), 1)
		_, err = store.Session(t.Context(), session.ID)
		require.NoError(t, err)
		time.Sleep(day)
		_, err = store.Session(t.Context(), session.ID)
		require.Equal(t, caption.KindNotFound, caption.KindOf(err), "an expired session is forgotten")
		first := keys()[0]
		time.Sleep(30 * day)
		require.Len(t, keys(), 1, "the first key has been replaced and forgotten")
		require.NotEqual(t, first.ID, keys()[0].ID)
		require.Equal(t, 2, keys()[0].Serial)
		cancel()
		require.NoError(t, <-done)
	})
}

func TestRunOutlivesAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		require.NoError(t, store.Close())
		s, err := auth.New(auth.Deps{Accounts: store, Limiter: &limiter{now: time.Now}})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, s.Run(ctx))
		require.Error(t, ctx.Err(), "it ran until it was told to stop")
	})
}
