package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/api"
)

// twoUsers tries every route with what belongs to another user: the answer must be that for something that does not exist.
func twoUsers(t *testing.T, e *Env) {
	ada, eve := e.user(t), e.user(t)
	up := ada.upload("short.mp4", e.Fixtures.bytes(t, "short.mp4"))
	open := ada.createUpload("open.mp4", 1000, "mark")
	j := ada.caption(up.ID, map[string]any{"title": "Quarterly numbers"})
	tr := ada.processed(j.ID)

	const unknown = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
	cues := map[string]any{"cues": tr.Cues}
	ifMatch := header("If-Match", `"1"`)
	for _, c := range []struct {
		method, path, id string
		body             any
		opts             []option
	}{
		{method: "GET", path: "/api/v1/uploads/{id}", id: up.ID},
		{method: "GET", path: "/api/v1/uploads/{id}", id: open.ID},
		{method: "POST", path: "/api/v1/uploads/{id}/parts", id: open.ID, body: map[string]any{"numbers": []int{1}}},
		{method: "POST", path: "/api/v1/uploads/{id}/complete", id: open.ID},
		{method: "POST", path: "/api/v1/uploads/{id}/complete", id: up.ID},
		{method: "DELETE", path: "/api/v1/uploads/{id}", id: open.ID},
		{method: "DELETE", path: "/api/v1/uploads/{id}", id: up.ID},
		{method: "POST", path: "/api/v1/captions", id: up.ID, body: map[string]any{"upload_id": "{id}"}},
		{method: "POST", path: "/api/v1/captions", id: open.ID, body: map[string]any{"upload_id": "{id}"}},
		{method: "GET", path: "/api/v1/captions/{id}", id: j.ID},
		{method: "POST", path: "/api/v1/captions/{id}/retry", id: j.ID},
		{method: "POST", path: "/api/v1/captions/{id}/cancel", id: j.ID},
		{method: "POST", path: "/api/v1/captions/{id}/events/ticket", id: j.ID},
		{method: "GET", path: "/api/v1/captions/{id}/events", id: j.ID},
		{method: "GET", path: "/api/v1/captions/{id}/transcript", id: j.ID},
		{method: "GET", path: "/api/v1/captions/{id}/transcript", id: j.ID, opts: []option{header("If-None-Match", `"1"`)}},
		{method: "PUT", path: "/api/v1/captions/{id}/transcript", id: j.ID, body: cues, opts: []option{ifMatch}},
		{method: "GET", path: "/api/v1/result/{id}?format=vtt", id: j.ID},
		{method: "DELETE", path: "/api/v1/captions/{id}", id: j.ID},
		// An id of the right form, but of another kind of thing.
		{method: "GET", path: "/api/v1/captions/{id}", id: up.ID},
		{method: "GET", path: "/api/v1/uploads/{id}", id: j.ID},
	} {
		ask := func(id string) *response {
			var body any
			if c.body != nil {
				b, err := json.Marshal(c.body)
				require.NoError(t, err)
				body = json.RawMessage(strings.ReplaceAll(string(b), "{id}", id))
			}
			return eve.do(c.method, strings.ReplaceAll(c.path, "{id}", id), body, c.opts...).is(http.StatusNotFound)
		}
		require.Equal(t, sameProblem(t, ask(unknown)), sameProblem(t, ask(c.id)), "%s %s tells that it exists", c.method, c.path)
	}

	require.Empty(t, eve.list(nil).Captions)
	require.Empty(t, eve.list(map[string][]string{"q": {"quarterly"}}).Captions)
	require.Empty(t, eve.list(map[string][]string{"q": {shortWords[0]}}).Captions)
	require.Empty(t, eve.list(map[string][]string{"upload_id": {up.ID}}).Captions)
	for _, query := range []string{"", "?fingerprint=mark", "?state=complete"} {
		var l struct{ Uploads []upload }
		eve.do("GET", "/api/v1/uploads"+query, nil).is(http.StatusOK).into(&l)
		require.Empty(t, l.Uploads)
	}

	// Nothing of Ada's has changed.
	require.Equal(t, tr, ada.processed(j.ID))
	ada.do("GET", "/api/v1/uploads/"+up.ID, nil).is(http.StatusOK)
	ada.do("GET", "/api/v1/uploads/"+open.ID, nil).is(http.StatusOK)
}

// sameProblem returns what a client sees of an error, without what differs between any two requests.
func sameProblem(t *testing.T, r *response) map[string]any {
	t.Helper()
	var p map[string]any
	r.into(&p)
	delete(p, "request_id")
	p["www-authenticate"] = r.Header.Get("WWW-Authenticate")
	return p
}

// accounts signs up, in and out in every way.
func accounts(t *testing.T, e *Env) {
	ada := e.stranger(t)
	credentials := func(email, password string) map[string]any {
		return map[string]any{"email": email, "password": password}
	}
	ada.signUp()
	first := ada.session
	var me struct{ ID, Email string }
	ada.do("GET", "/api/v1/auth/me", nil).is(http.StatusOK).into(&me)
	require.Equal(t, ada.email, me.Email)
	ada.do("POST", "/api/v1/auth/signup", credentials(strings.ToUpper(ada.email), ada.password)).is(http.StatusConflict)

	// An unknown account and a wrong password look the same.
	wrong := ada.do("POST", "/api/v1/auth/login", credentials(ada.email, "not the password")).is(http.StatusUnauthorized)
	nobody := ada.do("POST", "/api/v1/auth/login", credentials("nobody."+ada.email, "not the password")).is(http.StatusUnauthorized)
	require.Equal(t, sameProblem(t, wrong), sameProblem(t, nobody))
	for _, bad := range []map[string]any{credentials("no address", ada.password), credentials("x"+ada.email, "short"), credentials("", "")} {
		ada.do("POST", "/api/v1/auth/signup", bad, breaking).refused(http.StatusBadRequest, "")
	}
	var again session
	ada.do("POST", "/api/v1/auth/login", credentials(strings.ToUpper(ada.email), ada.password)).is(http.StatusOK).into(&again)
	require.Equal(t, first.User, again.User)

	refresh := func(tok string) *response {
		return ada.do("POST", "/api/v1/auth/refresh", map[string]any{"refresh_token": tok}, anonymous)
	}
	var second, third session
	refresh(first.RefreshToken).is(http.StatusOK).into(&second)
	refresh(second.RefreshToken).is(http.StatusOK).into(&third)
	refresh(first.RefreshToken).refused(http.StatusUnauthorized, "refresh_reused")
	refresh(third.RefreshToken).refused(http.StatusUnauthorized, "")
	refresh("garbage").refused(http.StatusUnauthorized, "")
	// The other session of the same person lives, until it is ended.
	refresh(again.RefreshToken).is(http.StatusOK).into(&again)
	ada.do("POST", "/api/v1/auth/logout", map[string]any{"refresh_token": again.RefreshToken}, anonymous).is(http.StatusNoContent)
	refresh(again.RefreshToken).refused(http.StatusUnauthorized, "")

	cookies(t, e)
	var keys struct{ Keys []struct{ Kid string } }
	ada.do("GET", "/.well-known/jwks.json", nil, anonymous).is(http.StatusOK).into(&keys)
	require.NotEmpty(t, keys.Keys)
	require.Equal(t, string(api.OpenAPI), string(ada.do("GET", "/api/v1/openapi.yaml", nil, anonymous).is(http.StatusOK).Body))
}

// noProxy: what clients say about where they come from is not believed.
var noProxy = map[string]string{"TRUSTED_PROXIES": ""}

// guessingIsLimited tries passwords, each time as if from another address. Sooner or later that is refused, with the
// right password too, while the owner's session goes on.
func guessingIsLimited(t *testing.T, e *Env) {
	ada := e.user(t)
	guess := func(i int, password string) *response {
		return ada.do("POST", "/api/v1/auth/login", map[string]any{"email": ada.email, "password": password}, anonymous,
			header("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i)), header("X-Real-Ip", fmt.Sprintf("192.0.2.%d", i)))
	}
	wrong := 0
	for guess(wrong, fmt.Sprint("not the password ", wrong)).Status == http.StatusUnauthorized {
		wrong++
		require.Less(t, wrong, 100, "nobody limits the guesses")
	}
	limited := guess(wrong, ada.password)
	limited.refused(http.StatusTooManyRequests, "too_many_attempts")
	require.NotEmpty(t, limited.Header.Get("Retry-After"))
	ada.do("GET", "/api/v1/auth/me", nil).is(http.StatusOK)
	ada.do("POST", "/api/v1/auth/refresh", map[string]any{"refresh_token": ada.session.RefreshToken}, anonymous).is(http.StatusOK)
}

// cookies is the way of a browser: it never sees its refresh token.
func cookies(t *testing.T, e *Env) {
	u := e.stranger(t)
	r := u.do("POST", "/api/v1/auth/signup", map[string]any{"email": u.email, "password": u.password, "cookie": true}).is(http.StatusCreated)
	r.into(&u.session)
	require.Empty(t, u.session.RefreshToken)
	set, err := http.ParseSetCookie(r.Header.Get("Set-Cookie"))
	require.NoError(t, err)
	require.True(t, set.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, set.SameSite)
	withCookie := header("Cookie", set.Name+"="+set.Value)
	u.do("POST", "/api/v1/auth/refresh", nil, anonymous, withCookie, header("Sec-Fetch-Site", "cross-site")).refused(http.StatusForbidden, "cross_origin")
	r = u.do("POST", "/api/v1/auth/refresh", nil, anonymous, withCookie, header("Sec-Fetch-Site", "same-origin")).is(http.StatusOK)
	var s session
	r.into(&s)
	require.Empty(t, s.RefreshToken)
	next, err := http.ParseSetCookie(r.Header.Get("Set-Cookie"))
	require.NoError(t, err)
	require.NotEqual(t, set.Value, next.Value)
	r = u.do("POST", "/api/v1/auth/logout", nil, anonymous, header("Cookie", next.Name+"="+next.Value)).is(http.StatusNoContent)
	gone, err := http.ParseSetCookie(r.Header.Get("Set-Cookie"))
	require.NoError(t, err)
	require.Negative(t, gone.MaxAge)
}
