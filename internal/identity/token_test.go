package identity_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	now    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	issuer = identity.Issuer{Name: "https://auth", Audience: "captions", TTL: 15 * time.Minute}
	ann    = identity.User{ID: "ann-id", Email: "ann@example.org"}
)

func newKey(t testing.TB, id string) identity.SigningKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return identity.SigningKey{ID: id, Private: private}
}

func publicOf(k identity.SigningKey) ed25519.PublicKey { return k.Private.Public().(ed25519.PublicKey) }

func rulesAt(t time.Time) identity.Rules {
	return identity.Rules{Issuer: issuer.Name, Audience: issuer.Audience, Leeway: 30 * time.Second, Now: func() time.Time { return t }}
}

func only(k identity.SigningKey) identity.KeySource {
	return func(_ context.Context, kid string) (ed25519.PublicKey, error) {
		if kid != k.ID {
			return nil, identity.ErrUnknownKey
		}
		return publicOf(k), nil
	}
}

func TestIssueAndCheck(t *testing.T) {
	key := newKey(t, "k1")
	token, expires, err := issuer.Issue(key, ann, now.Add(123*time.Millisecond))
	require.NoError(t, err)
	require.Equal(t, now.Add(15*time.Minute), expires)

	for _, at := range []time.Duration{-29 * time.Second, 0, 15*time.Minute + 29*time.Second} {
		got, err := rulesAt(now.Add(at)).Check(t.Context(), token, only(key))
		require.NoError(t, err)
		require.Equal(t, identity.Claims{User: ann, Expires: expires}, got)
	}
	_, err = rulesAt(now.Add(-31*time.Second)).Check(t.Context(), token, only(key))
	require.Equal(t, "token_invalid", caption.CodeOf(err))
	_, err = rulesAt(now.Add(15*time.Minute+31*time.Second)).Check(t.Context(), token, only(key))
	require.Equal(t, "token_expired", caption.CodeOf(err))

	header, claims := decode(t, token)
	require.Equal(t, map[string]any{"alg": "EdDSA", "kid": "k1", "typ": "at+jwt"}, header)
	require.True(t, caption.ValidID(claims["jti"].(string)))
	delete(claims, "jti")
	at := float64(now.Unix())
	require.Equal(t, map[string]any{"iss": "https://auth", "aud": []any{"captions"}, "sub": "ann-id", "email": "ann@example.org",
		"iat": at, "nbf": at, "exp": at + 900}, claims)
}

// forge returns a token with changed headers and claims, signed as method and key say. A nil value removes the entry.
func forge(t *testing.T, method jwt.SigningMethod, key any, header, claims map[string]any) string {
	t.Helper()
	c := jwt.MapClaims{"iss": "https://auth", "aud": "captions", "sub": "ann-id", "email": "ann@example.org", "jti": "x",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(15 * time.Minute).Unix()}
	token := jwt.NewWithClaims(method, c)
	token.Header["kid"], token.Header["typ"] = "k1", "at+jwt"
	merge := func(into, from map[string]any) {
		for k, v := range from {
			if v == nil {
				delete(into, k)
			} else {
				into[k] = v
			}
		}
	}
	merge(token.Header, header)
	merge(c, claims)
	s, err := token.SignedString(key)
	require.NoError(t, err)
	return s
}

func TestAttacks(t *testing.T) {
	key, other := newKey(t, "k1"), newKey(t, "k1")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(publicOf(key))
	require.NoError(t, err)
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	ed := func(header, claims map[string]any) string {
		return forge(t, jwt.SigningMethodEdDSA, key.Private, header, claims)
	}
	type m = map[string]any
	good := ed(nil, nil)
	parts := strings.Split(good, ".")
	_, payload := decode(t, good)
	payload["sub"] = "bob-id"
	tampered, err := json.Marshal(payload)
	require.NoError(t, err)
	b64 := base64.RawURLEncoding.EncodeToString

	got, err := rulesAt(now).Check(t.Context(), good, only(key))
	require.NoError(t, err, "the forger itself works")
	require.Equal(t, ann, got.User)

	for name, token := range map[string]string{
		"empty":                         "",
		"dots":                          "..",
		"a refresh token":               caption.NewID() + "." + strings.Repeat("A", 43),
		"not base64":                    "!!.!!.!!",
		"no signature":                  parts[0] + "." + parts[1] + ".",
		"two parts":                     parts[0] + "." + parts[1],
		"four parts":                    good + ".x",
		"huge":                          good + strings.Repeat("A", 1<<20),
		"huge claim":                    ed(nil, m{"pad": strings.Repeat("A", 4096)}),
		"header null":                   b64([]byte("null")) + "." + parts[1] + "." + parts[2],
		"payload null":                  parts[0] + "." + b64([]byte("null")) + "." + parts[2],
		"alg none":                      forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil),
		"alg None with a signature":     b64([]byte(`{"alg":"None","kid":"k1","typ":"at+jwt"}`)) + "." + parts[1] + "." + parts[2],
		"alg missing":                   b64([]byte(`{"kid":"k1","typ":"at+jwt"}`)) + "." + parts[1] + "." + parts[2],
		"HS256 with the public key":     forge(t, jwt.SigningMethodHS256, []byte(publicOf(key)), nil, nil),
		"HS256 with the public key PEM": forge(t, jwt.SigningMethodHS256, publicPEM, nil, nil),
		"HS256 with an empty key":       forge(t, jwt.SigningMethodHS256, []byte{}, nil, nil),
		"RS256":                         forge(t, jwt.SigningMethodRS256, rsaKey, nil, nil),
		"another key under our id":      forge(t, jwt.SigningMethodEdDSA, other.Private, nil, nil),
		"own key in the header": forge(t, jwt.SigningMethodEdDSA, other.Private,
			m{"jwk": identity.NewJWK("k1", publicOf(other)), "jku": "https://evil.example/jwks.json"}, nil),
		"payload changed":      parts[0] + "." + b64(tampered) + "." + parts[2],
		"signature cut":        good[:len(good)-4],
		"signature malleated":  good[:len(good)-1] + string(flipLastBits(good[len(good)-1])),
		"kid missing":          ed(m{"kid": nil}, nil),
		"kid empty":            ed(m{"kid": ""}, nil),
		"kid a number":         ed(m{"kid": 1}, nil),
		"kid unknown":          ed(m{"kid": "k2"}, nil),
		"kid a path":           ed(m{"kid": "../../../../dev/null"}, nil),
		"kid huge":             ed(m{"kid": strings.Repeat("k", 65)}, nil),
		"critical extension":   ed(m{"crit": []string{"b64"}, "b64": false}, nil),
		"typ missing":          ed(m{"typ": nil}, nil),
		"typ of another token": ed(m{"typ": "JWT"}, nil),
		"exp missing":          ed(nil, m{"exp": nil}),
		"exp a string":         ed(nil, m{"exp": "tomorrow"}),
		"nbf missing":          ed(nil, m{"nbf": nil}),
		"not yet valid":        ed(nil, m{"nbf": now.Add(time.Minute).Unix()}),
		"issued in the future": ed(nil, m{"iat": now.Add(time.Minute).Unix()}),
		"iss missing":          ed(nil, m{"iss": nil}),
		"iss wrong":            ed(nil, m{"iss": "https://auth.evil.example"}),
		"iss nearly right":     ed(nil, m{"iss": "https://auth/"}),
		"aud missing":          ed(nil, m{"aud": nil}),
		"aud wrong":            ed(nil, m{"aud": "windtunnel"}),
		"aud ours and another": ed(nil, m{"aud": []string{"captions", "windtunnel"}}),
		"aud empty list":       ed(nil, m{"aud": []string{}}),
		"sub missing":          ed(nil, m{"sub": nil}),
		"sub empty":            ed(nil, m{"sub": ""}),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := rulesAt(now).Check(t.Context(), token, only(key))
			require.Equal(t, caption.KindUnauthenticated, caption.KindOf(err), "%v", err)
			require.Equal(t, "token_invalid", caption.CodeOf(err), "%v", err)
			require.Zero(t, c)
		})
	}
	t.Run("expired", func(t *testing.T) {
		_, err := rulesAt(now).Check(t.Context(), ed(nil, m{"exp": now.Add(-time.Minute).Unix()}), only(key))
		require.Equal(t, caption.KindUnauthenticated, caption.KindOf(err))
		require.Equal(t, "token_expired", caption.CodeOf(err))
	})
	t.Run("keys cannot be had", func(t *testing.T) {
		away := errors.New("away")
		_, err := rulesAt(now).Check(t.Context(), good, func(context.Context, string) (ed25519.PublicKey, error) { return nil, away })
		require.ErrorIs(t, err, away)
		require.NotEqual(t, caption.KindUnauthenticated, caption.KindOf(err))
	})
}

// flipLastBits changes the bits of a base64 digit that carry nothing at the end of a signature of 64 bytes, so that a lenient
// reader sees the same signature.
func flipLastBits(digit byte) byte {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return digits[strings.IndexByte(digits, digit)^1]
}

func decode(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	for i, into := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, into))
	}
	return header, claims
}

// No change to a token may be accepted, whatever it is.
func FuzzCheck(f *testing.F) {
	key := newKey(f, "k1")
	good, _, err := issuer.Issue(key, ann, now)
	require.NoError(f, err)
	f.Add(good)
	f.Add("")
	f.Add("..")
	f.Add(strings.Replace(good, ".", ".e30.", 1))
	f.Fuzz(func(t *testing.T, token string) {
		_, err := rulesAt(now).Check(t.Context(), token, only(key))
		if (err == nil) != (token == good) {
			t.Fatalf("token %q: %v", token, err)
		}
		if err != nil && caption.KindOf(err) != caption.KindUnauthenticated {
			t.Fatalf("token %q: %v", token, err)
		}
	})
}
