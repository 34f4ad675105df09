package e2e

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// claims are those of a token that would be good.
type claims map[string]any

// forge makes a token of any header and claims; sign makes its signature.
func forge(t testing.TB, head map[string]any, c claims, sign func(signed string) []byte) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(head) + "." + part(c)
	return signed + "." + base64.RawURLEncoding.EncodeToString(sign(signed))
}

// decode takes a token apart.
func decode(t testing.TB, token string) (head map[string]any, c claims) {
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	for i, v := range []any{&head, &c} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, v))
	}
	return head, c
}

// hostileTokens tries tokens that differ from a good one in one thing.
func hostileTokens(t *testing.T, e *Env) {
	ada, eve := e.user(t), e.user(t)
	up := ada.upload("mute.mp4", e.Fixtures.bytes(t, "mute.mp4"))
	j := ada.caption(up.ID, nil)
	kid, key := e.SigningKey(t)
	good := ada.session.AccessToken
	head, body := decode(t, good)
	require.Equal(t, kid, head["kid"], "the scenario must know the key")
	with := func(m map[string]any, name string, value any) map[string]any {
		changed := maps.Clone(m)
		if value == nil {
			delete(changed, name)
		} else {
			changed[name] = value
		}
		return changed
	}
	genuine := func(s string) []byte { return ed25519.Sign(key, []byte(s)) }
	_, foreign, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	stranger := func(s string) []byte { return ed25519.Sign(foreign, []byte(s)) }
	public := key.Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	hs256 := func(secret []byte) func(string) []byte {
		return func(s string) []byte {
			m := hmac.New(sha256.New, secret)
			m.Write([]byte(s))
			return m.Sum(nil)
		}
	}
	none := func(string) []byte { return nil }
	hour := float64(time.Now().Add(time.Hour).Unix())
	past := float64(time.Now().Add(-time.Hour).Unix())
	parts, eves := strings.Split(good, "."), strings.Split(eve.session.AccessToken, ".")
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})

	// The forger works: a token that differs in nothing is good.
	ada.do("GET", "/api/v1/auth/me", nil, token(forge(t, head, body, genuine))).is(http.StatusOK)
	for name, tok := range map[string]string{
		"no algorithm":               forge(t, with(head, "alg", "none"), body, none),
		"no algorithm, upper case":   forge(t, with(head, "alg", "NONE"), body, none),
		"no algorithm, but signed":   forge(t, with(head, "alg", "none"), body, genuine),
		"algorithm left out":         forge(t, with(head, "alg", nil), body, genuine),
		"no signature":               parts[0] + "." + parts[1] + ".",
		"public key as a secret":     forge(t, with(head, "alg", "HS256"), body, hs256(public)),
		"public key as a PEM secret": forge(t, with(head, "alg", "HS256"), body, hs256(pemKey)),
		"public key as a DER secret": forge(t, with(head, "alg", "HS256"), body, hs256(der)),
		"public key as a JWK secret": forge(t, with(head, "alg", "HS256"), body, hs256([]byte(base64.RawURLEncoding.EncodeToString(public)))),
		"empty secret":               forge(t, with(head, "alg", "HS256"), body, hs256(nil)),
		"another key":                forge(t, head, body, stranger),
		"unknown key":                forge(t, with(head, "kid", "aaaaaaaaaaaaaaaaaaaaaaaaaa"), body, stranger),
		"key id as a path":           forge(t, with(head, "kid", "../../../dev/null"), body, hs256(nil)),
		"no key id":                  forge(t, with(head, "kid", nil), body, genuine),
		"brings its own key":         forge(t, with(head, "jwk", map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(foreign.Public().(ed25519.PublicKey))}), body, stranger),
		"names its own key server":   forge(t, with(head, "jku", e.BaseURL()+"/keys"), body, stranger),
		"critical extension":         forge(t, with(head, "crit", []string{"exp"}), body, genuine),
		"another type":               forge(t, with(head, "typ", "JWT"), body, genuine),
		"expired":                    forge(t, head, with(body, "exp", past), genuine),
		"never expires":              forge(t, head, with(body, "exp", nil), genuine),
		"not valid yet":              forge(t, head, with(body, "nbf", hour), genuine),
		"issued in the future":       forge(t, head, with(body, "iat", hour), genuine),
		"another audience":           forge(t, head, with(body, "aud", "another-service"), genuine),
		"one audience more":          forge(t, head, with(body, "aud", []string{"captions", "another-service"}), genuine),
		"no audience":                forge(t, head, with(body, "aud", nil), genuine),
		"another issuer":             forge(t, head, with(body, "iss", "https://issuer.example.org"), genuine),
		"nobody":                     forge(t, head, with(body, "sub", nil), genuine),
		"another user's claims":      parts[0] + "." + eves[1] + "." + parts[2],
		"another user's signature":   parts[0] + "." + parts[1] + "." + eves[2],
		"a changed signature":        good[:len(good)-10] + strings.Map(func(r rune) rune { return map[bool]rune{true: 'B', false: 'A'}[r == 'A'] }, good[len(good)-10:len(good)-1]) + good[len(good)-1:],
		"a part more":                good + ".e30",
		"a refresh token":            ada.session.RefreshToken,
		"garbage":                    "garbage",
		"dots":                       "..",
		"very long":                  strings.Repeat("a", 6000),
		"a long claim":               forge(t, head, with(body, "email", strings.Repeat("a", 5000)), genuine),
		"quotes":                     `'; drop table users; --`,
	} {
		for _, route := range []struct{ method, path string }{
			{"GET", "/api/v1/auth/me"}, {"GET", "/api/v1/uploads"}, {"GET", "/api/v1/captions"}, {"GET", "/api/v1/captions/" + j.ID},
			{"DELETE", "/api/v1/captions/" + j.ID}, {"GET", "/api/v1/captions/" + j.ID + "/events"},
		} {
			r := eve.do(route.method, route.path, nil, token(tok), breaking)
			require.Equal(t, http.StatusUnauthorized, r.Status, "%s: %s %s: %s", name, route.method, route.path, r.Body)
			require.Contains(t, r.Header.Get("WWW-Authenticate"), "Bearer")
		}
		var v struct{ Active bool }
		eve.do("POST", "/api/v1/auth/validate", map[string]any{"token": tok}, anonymous, breaking).is(http.StatusOK).into(&v)
		require.False(t, v.Active, name)
	}
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Basic " + base64.StdEncoding.EncodeToString([]byte(ada.email+":"+ada.password)), good, "Token " + good} {
		eve.do("GET", "/api/v1/captions", nil, header("Authorization", authorization), breaking).refused(http.StatusUnauthorized, "")
	}
	for _, query := range []string{"?access_token=", "?token=", "?authorization=Bearer%20"} {
		eve.do("GET", "/api/v1/captions"+query+good, nil, anonymous, breaking).refused(http.StatusUnauthorized, "")
	}
	var v struct{ Active bool }
	ada.do("POST", "/api/v1/auth/validate", map[string]any{"token": good}, anonymous).is(http.StatusOK).into(&v)
	require.True(t, v.Active)
	ada.job(j.ID) // It was not deleted.
}

// hostileTickets tries tickets that were used, are for another job, have expired, or were never given out.
func hostileTickets(t *testing.T, e *Env) {
	ada, eve := e.user(t), e.user(t)
	up := ada.upload("mute.mp4", e.Fixtures.bytes(t, "mute.mp4"))
	j, other := ada.caption(up.ID, nil), ada.caption(up.ID, nil)
	hers := eve.caption(eve.upload("mute.mp4", e.Fixtures.bytes(t, "mute.mp4")).ID, nil)
	ada.await(j.ID)

	var late struct {
		Ticket  string    `json:"ticket"`
		Expires time.Time `json:"expires_at"`
	}
	ada.do("POST", "/api/v1/captions/"+j.ID+"/events/ticket", nil).is(http.StatusCreated).into(&late)

	events := "/api/v1/captions/" + j.ID + "/events?ticket="
	refused := func(name, ticket string) {
		t.Helper()
		f := follower{contract: e.contract}
		_, err := f.byWebSocket(within(t), ada, j.ID, ticket)
		require.ErrorContains(t, err, "401", name)
		ada.do("GET", events+ticket, nil, anonymous, breaking).refused(http.StatusUnauthorized, "")
	}
	used := ada.ticket(j.ID)
	f := follower{contract: e.contract}
	status, err := f.byWebSocket(within(t), ada, j.ID, used)
	require.NoError(t, err)
	require.Equal(t, websocket.StatusNormalClosure, status)
	refused("used", used)
	usedForSSE := ada.ticket(j.ID)
	f = follower{contract: e.contract}
	_, err = f.bySSE(within(t), &user{base: ada.base, http: ada.http, addr: ada.addr}, j.ID, anonymous, func(r *http.Request) {
		r.URL.RawQuery = "ticket=" + usedForSSE
	})
	require.NoError(t, err)
	refused("used for server-sent events", usedForSSE)

	elsewhere := ada.ticket(other.ID)
	refused("of another job", elsewhere)
	refused("of another user's job", eve.ticket(hers.ID))
	// A ticket that was shown at the wrong door is spent.
	f = follower{contract: e.contract}
	_, err = f.byWebSocket(within(t), ada, other.ID, elsewhere)
	require.ErrorContains(t, err, "401")
	for _, garbage := range []string{"x", "%00", strings.Repeat("a", 4000), late.Ticket[1:], late.Ticket + "a", strings.ToUpper(late.Ticket) + "x", "..%2f..%2f", ada.session.RefreshToken} {
		refused("garbage", garbage)
	}
	ada.do("GET", "/api/v1/captions", nil, token(ada.ticket(j.ID))).refused(http.StatusUnauthorized, "")
	ada.do("GET", "/api/v1/captions?ticket="+ada.ticket(j.ID), nil, anonymous, breaking).refused(http.StatusUnauthorized, "")
	// A token in the query is not taken for a ticket.
	refused("a token", ada.session.AccessToken)

	time.Sleep(time.Until(late.Expires) + time.Second)
	refused("expired", late.Ticket)
}
