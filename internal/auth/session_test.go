package auth_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/auth"
	"k8s-scalers/internal/caption"
)

const day = 24 * time.Hour

func TestRefreshRotates(t *testing.T) {
	f := setup(t)
	in := f.signup("ann@example.org")
	seen := map[string]bool{in.text("refresh_token"): true}
	token := in.text("refresh_token")
	for range 5 {
		f.clock.advance(15 * time.Minute)
		a := f.refresh(token)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.Equal(t, in.json["user"], a.json["user"])
		require.Len(t, a.json, 5)
		require.Equal(t, http.StatusOK, f.me(a.text("access_token")).status)
		token = a.text("refresh_token")
		require.False(t, seen[token])
		seen[token] = true
	}
	require.Equal(t, 5, f.metric("captions_auth_refresh_total", "rotated"))
}

func TestReuseEndsTheFamily(t *testing.T) {
	f := setup(t)
	stolen := f.signup("ann@example.org").text("refresh_token")
	other := f.login("ann@example.org", password).text("refresh_token")
	second := f.refresh(stolen).text("refresh_token")
	f.clock.advance(time.Minute)
	third := f.refresh(second).text("refresh_token")
	f.clock.advance(time.Minute)

	requireProblem(t, f.refresh(stolen), 401, "refresh_reused")
	for _, token := range []string{stolen, second, third} {
		requireProblem(t, f.refresh(token), 401, "refresh_invalid")
	}
	require.Equal(t, 1, f.metric("captions_auth_refresh_total", "reused"))
	require.Equal(t, http.StatusOK, f.refresh(other).status, "the other sign-in of the same user goes on")
}

// Two tabs of one browser share a cookie and refresh at the same moment.
func TestRefreshAtTheSameTime(t *testing.T) {
	store, c := newStore(t), &clock{t: time.Now()}
	replicas := []*fixture{replica(t, store, c), replica(t, store, c)}
	token := replicas[0].signup("ann@example.org").text("refresh_token")
	for range 3 {
		var mu sync.Mutex
		got := map[string]int{}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				a := replicas[i%2].refresh(token)
				mu.Lock()
				defer mu.Unlock()
				got[a.text("refresh_token")]++
				if a.status != http.StatusOK {
					t.Errorf("status %d: %s", a.status, a.body)
				}
			})
		}
		wg.Wait()
		require.Len(t, got, 1, "all are given the same next token: the family does not fork")
		for next := range got {
			token = next
		}
		c.advance(time.Minute)
	}
	rotations := replicas[0].metric("captions_auth_refresh_total", "rotated") + replicas[1].metric("captions_auth_refresh_total", "rotated")
	require.Equal(t, 3, rotations, "one of twenty rotates, each time")
}

func TestGraceOfTheTokenBefore(t *testing.T) {
	for name, test := range map[string]struct {
		after    time.Duration
		moreFrom bool // the successor is exchanged in between
		code     string
	}{
		"at once":                              {0, false, ""},
		"within the grace period":              {10*time.Second - time.Microsecond, false, ""},
		"after it":                             {10 * time.Second, false, "refresh_reused"},
		"when its successor was exchanged too": {time.Second, true, "refresh_reused"},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			first := f.signup("ann@example.org").text("refresh_token")
			second := f.refresh(first).text("refresh_token")
			last := second
			if test.moreFrom {
				last = f.refresh(second).text("refresh_token")
			}
			f.clock.advance(test.after)
			a := f.refresh(first)
			if test.code != "" {
				requireProblem(t, a, 401, test.code)
				requireProblem(t, f.refresh(last), 401, "refresh_invalid")
				return
			}
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.Equal(t, second, a.text("refresh_token"))
			require.Equal(t, http.StatusOK, f.me(a.text("access_token")).status)
			require.Equal(t, http.StatusOK, f.refresh(second).status)
		})
	}
}

// A thief who is quick enough for the grace period wins nothing: the next exchange of either side uncovers it.
func TestGraceDoesNotHideAThief(t *testing.T) {
	f := setup(t)
	stolen := f.signup("ann@example.org").text("refresh_token")
	thief := f.refresh(stolen).text("refresh_token")
	owner := f.refresh(stolen).text("refresh_token")
	f.clock.advance(10 * time.Minute)
	thief = f.refresh(thief).text("refresh_token")
	f.clock.advance(5 * time.Minute)
	requireProblem(t, f.refresh(owner), 401, "refresh_reused")
	requireProblem(t, f.refresh(thief), 401, "refresh_invalid")
}

func TestRefreshRefuses(t *testing.T) {
	f := setup(t)
	in := f.signup("ann@example.org")
	good := in.text("refresh_token")
	id, secret, _ := strings.Cut(good, ".")
	for name, token := range map[string]string{
		"nothing":           "",
		"an access token":   in.text("access_token"),
		"no secret":         id + ".",
		"id only":           id,
		"an unknown id":     caption.NewID() + "." + secret,
		"a short secret":    id + "." + secret[1:],
		"a long secret":     id + "." + secret + "x",
		"capitals":          strings.ToUpper(id) + "." + secret,
		"SQL":               "' OR 1=1 --." + secret,
		"a huge token":      id + "." + strings.Repeat("x", 7000),
		"another separator": id + ":" + secret,
	} {
		requireProblem(t, f.refresh(token), 401, "refresh_invalid")
		require.NotContains(t, f.log.String(), "session ended", name)
	}
	requireProblem(t, f.post("refresh", nil), 401, "refresh_invalid")
	require.Equal(t, http.StatusOK, f.refresh(good).status, "none of this has ended the session")
	require.Equal(t, http.StatusUnauthorized, f.me(good).status, "a refresh token is no access token")
}

func TestSessionsExpire(t *testing.T) {
	t.Run("when idle", func(t *testing.T) {
		f := setup(t)
		first := f.signup("ann@example.org").text("refresh_token")
		f.clock.advance(30*day - time.Second)
		second := f.refresh(first)
		require.Equal(t, http.StatusOK, second.status)
		f.clock.advance(30 * day)
		requireProblem(t, f.refresh(second.text("refresh_token")), 401, "refresh_invalid")
	})
	t.Run("after a year", func(t *testing.T) {
		f := setup(t)
		token := f.signup("ann@example.org").text("refresh_token")
		for range 36 {
			f.clock.advance(10 * day)
			a := f.refresh(token)
			require.Equal(t, http.StatusOK, a.status)
			token = a.text("refresh_token")
		}
		f.clock.advance(5 * day)
		requireProblem(t, f.refresh(token), 401, "refresh_invalid")
	})
}

func TestLogout(t *testing.T) {
	f := setup(t)
	in := f.signup("ann@example.org")
	other := f.login("ann@example.org", password).text("refresh_token")
	next := f.refresh(in.text("refresh_token")).text("refresh_token")
	for range 2 {
		a := f.post("logout", object{"refresh_token": in.text("refresh_token")})
		require.Equal(t, http.StatusNoContent, a.status)
		require.Empty(t, a.body)
	}
	requireProblem(t, f.refresh(next), 401, "refresh_invalid")
	require.Equal(t, http.StatusOK, f.refresh(other).status)
	require.Equal(t, http.StatusNoContent, f.post("logout", nil).status)
	require.Equal(t, http.StatusNoContent, f.post("logout", object{"refresh_token": "rubbish"}).status)
}

func TestCookie(t *testing.T) {
	f := setup(t)
	f.signup("ann@example.org")
	in := f.post("login", object{"email": "ann@example.org", "password": password, "cookie": true})
	require.Equal(t, http.StatusOK, in.status, in.body)
	require.NotContains(t, in.json, "refresh_token")
	c := in.cookie()
	require.NotNil(t, c)
	require.True(t, c.HttpOnly)
	require.False(t, c.Secure, "the request came by plain HTTP")
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(t, "/api/v1/auth", c.Path)
	require.Empty(t, c.Domain)
	require.Equal(t, int((30 * day).Seconds()), c.MaxAge)

	up := f.post("signup", object{"email": "bob@example.org", "password": password, "cookie": true}, "X-Forwarded-Proto", "https")
	require.True(t, up.cookie().Secure)
	require.NotContains(t, up.json, "refresh_token")

	with := func(c *http.Cookie) string { return auth.CookieName + "=" + c.Value }
	next := f.post("refresh", nil, "Cookie", with(c))
	require.Equal(t, http.StatusOK, next.status, next.body)
	require.NotContains(t, next.json, "refresh_token")
	require.NotEqual(t, c.Value, next.cookie().Value)
	require.Equal(t, http.StatusOK, f.me(next.text("access_token")).status)

	again := f.post("refresh", object{}, "Cookie", with(next.cookie()))
	require.Equal(t, http.StatusOK, again.status, "an empty object is as good as no body")

	both := f.post("refresh", object{"refresh_token": f.login("ann@example.org", password).text("refresh_token")}, "Cookie", "captions_refresh=rubbish")
	require.Equal(t, http.StatusOK, both.status, "the body goes first")
	require.NotEmpty(t, both.text("refresh_token"))
	require.Nil(t, both.cookie())

	f.clock.advance(time.Minute)
	bad := f.post("refresh", nil, "Cookie", with(c))
	requireProblem(t, bad, 401, "refresh_reused")
	require.Negative(t, bad.cookie().MaxAge, "a cookie that is no good is removed")

	out := f.post("logout", nil, "Cookie", with(up.cookie()))
	require.Equal(t, http.StatusNoContent, out.status)
	require.Negative(t, out.cookie().MaxAge)
	require.Equal(t, "/api/v1/auth", out.cookie().Path)
	requireProblem(t, f.post("refresh", nil, "Cookie", with(up.cookie())), 401, "refresh_invalid")
}

func TestCookieIsForOurPagesOnly(t *testing.T) {
	f := setup(t)
	f.signup("ann@example.org")
	login := object{"email": "ann@example.org", "password": password, "cookie": true}
	cookie := auth.CookieName + "=" + f.post("login", login).cookie().Value
	host := strings.TrimPrefix(f.server.URL, "http://")
	for name, test := range map[string]struct {
		headers []string
		allowed bool
	}{
		"our page":                  {[]string{"Sec-Fetch-Site", "same-origin", "Origin", f.server.URL}, true},
		"another site":              {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		"another port":              {[]string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"}, false},
		"our page, plain HTTP":      {[]string{"Origin", f.server.URL}, true},
		"another page, plain HTTP":  {[]string{"Origin", "http://evil.example"}, false},
		"our page by the gateway":   {[]string{"Origin", "http://captions.lan:8080", "X-Forwarded-Host", "captions.lan:8080"}, true},
		"other page by the gateway": {[]string{"Origin", "http://" + host, "X-Forwarded-Host", "captions.lan:8080"}, false},
		"no browser":                {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			in := f.post("login", login, test.headers...)
			re := f.post("refresh", nil, append([]string{"Cookie", cookie}, test.headers...)...)
			if !test.allowed {
				out := f.post("logout", nil, append([]string{"Cookie", cookie}, test.headers...)...)
				for _, a := range []answer{in, re, out} {
					requireProblem(t, a, 403, "cross_origin")
				}
				return
			}
			require.Equal(t, http.StatusOK, in.status, in.body)
			require.Equal(t, http.StatusOK, re.status, re.body)
			cookie = auth.CookieName + "=" + re.cookie().Value
		})
	}
	require.Equal(t, http.StatusOK, f.login("ann@example.org", password, "Sec-Fetch-Site", "cross-site").status, "without a cookie nothing can be abused")
}
