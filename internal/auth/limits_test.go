package auth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/auth"
)

func from(addr string) []string { return []string{"X-Forwarded-For", addr} }

func requireLimited(t *testing.T, a answer, wait time.Duration) {
	t.Helper()
	requireProblem(t, a, 429, "too_many_attempts")
	require.Equal(t, strconv.Itoa(int(wait.Seconds())), a.header.Get("Retry-After"))
}

func few(d *auth.Deps) {
	d.Limits = auth.Limits{
		LoginAddress: auth.Limit{N: 10, Window: 10 * time.Minute},
		LoginPair:    auth.Limit{N: 3, Window: 10 * time.Minute},
		LoginAccount: auth.Limit{N: 8, Window: time.Hour},
		Signup:       auth.Limit{N: 2, Window: time.Hour},
		Refresh:      auth.Limit{N: 4, Window: time.Minute},
	}
}

func TestGuessingIsLimited(t *testing.T) {
	f := setup(t, few)
	f.signup("ann@example.org")
	attacker := from("203.0.113.7")
	for range 3 {
		requireProblem(t, f.login("ann@example.org", "wrong horse battery", attacker...), 401, "bad_credentials")
	}
	before := f.hashes()
	requireLimited(t, f.login("ann@example.org", password, attacker...), 10*time.Minute)
	requireLimited(t, f.login("ANN@example.org ", password, attacker...), 10*time.Minute)
	require.Equal(t, before, f.hashes(), "a refused attempt costs no hashing")
	require.Equal(t, 2, f.metric("captions_auth_sign_in_total", "rate_limited"))

	f.clock.advance(9 * time.Minute)
	requireLimited(t, f.login("ann@example.org", password, attacker...), time.Minute)
	f.clock.advance(time.Minute)
	require.Equal(t, http.StatusOK, f.login("ann@example.org", password, attacker...).status)
}

// An unknown account is limited like a known one; else the limit would tell which is which.
func TestLimitsDoNotTellWhoHasAnAccount(t *testing.T) {
	f := setup(t, few)
	f.signup("ann@example.org")
	for _, email := range []string{"ann@example.org", "nobody@example.org"} {
		for range 3 {
			requireProblem(t, f.login(email, "wrong horse battery"), 401, "bad_credentials")
		}
		requireLimited(t, f.login(email, "wrong horse battery"), 10*time.Minute)
	}
}

func TestOneAttackerDoesNotLockTheOwnerOut(t *testing.T) {
	f := setup(t, few)
	refresh := f.signup("ann@example.org").text("refresh_token")
	for range 100 {
		f.login("ann@example.org", "wrong horse battery", from("203.0.113.7")...)
	}
	require.Equal(t, http.StatusOK, f.login("ann@example.org", password, from("198.51.100.1")...).status)
	// The many addresses of one IPv6 network are one attacker.
	for i := range 100 {
		f.login("ann@example.org", "wrong horse battery", from(fmt.Sprintf("2001:db8:1:2::%x", i+1))...)
	}
	require.Equal(t, http.StatusOK, f.login("ann@example.org", password, from("198.51.100.1")...).status)

	t.Log("an attack from many places stops new sign-ins, so that guessing stays limited, but no session")
	for i := range 20 {
		f.login("ann@example.org", "wrong horse battery", from(fmt.Sprintf("192.0.2.%d", i+1))...)
	}
	requireLimited(t, f.login("ann@example.org", password, from("198.51.100.2")...), time.Hour)
	require.Equal(t, http.StatusOK, f.refresh(refresh).status)
	f.clock.advance(time.Hour)
	require.Equal(t, http.StatusOK, f.login("ann@example.org", password, from("198.51.100.2")...).status)
}

func TestAnAddressIsLimitedAcrossAccounts(t *testing.T) {
	f := setup(t, few)
	for i := range 10 {
		requireProblem(t, f.login(fmt.Sprintf("user%d@example.org", i), password, from("203.0.113.7")...), 401, "bad_credentials")
	}
	requireLimited(t, f.login("another@example.org", password, from("203.0.113.7")...), 10*time.Minute)
	requireProblem(t, f.login("another@example.org", password, from("203.0.113.8")...), 401, "bad_credentials")
}

func TestSignupAndRefreshAreLimitedByAddress(t *testing.T) {
	f := setup(t, few)
	token := f.signup("a@example.org").text("refresh_token")
	f.signup("b@example.org")
	requireLimited(t, f.post("signup", object{"email": "c@example.org", "password": password}), time.Hour)
	require.Equal(t, http.StatusCreated, f.post("signup", object{"email": "c@example.org", "password": password}, from("203.0.113.7")...).status)
	for range 4 {
		token = f.refresh(token).text("refresh_token")
	}
	requireLimited(t, f.refresh(token), time.Minute)
	f.clock.advance(time.Minute)
	require.Equal(t, http.StatusOK, f.refresh(token).status, "a refused refresh has not used the token up")
}

func TestWhenTheLimiterIsAway(t *testing.T) {
	f := setup(t)
	token := f.signup("ann@example.org").text("refresh_token")
	f.limiter.err = errors.New("redis at 10.0.0.7 is away")
	before := f.hashes()
	for _, a := range []answer{f.login("ann@example.org", password), f.post("signup", object{"email": "bob@example.org", "password": password})} {
		requireProblem(t, a, 503, "limiter_unavailable")
		require.NotContains(t, a.body, "redis")
		require.NotEmpty(t, a.header.Get("Retry-After"))
	}
	require.Equal(t, before, f.hashes())
	require.Equal(t, http.StatusOK, f.refresh(token).status, "people who are signed in stay so")
}

func TestLimitsThatAreNotSetAreTheDefaults(t *testing.T) {
	f := setup(t, func(d *auth.Deps) { d.Limits.Signup = auth.Limit{N: 1, Window: time.Minute} })
	f.signup("ann@example.org")
	requireLimited(t, f.post("signup", object{"email": "bob@example.org", "password": password}), time.Minute)
	for range auth.DefaultLimits().LoginPair.N {
		require.Equal(t, http.StatusOK, f.login("ann@example.org", password).status)
	}
	requireLimited(t, f.login("ann@example.org", password), auth.DefaultLimits().LoginPair.Window)
}

func TestLimiterLearnsNoEmail(t *testing.T) {
	f := setup(t)
	f.signup("ann@example.org")
	f.login("ann@example.org", password)
	require.Len(t, f.limiter.keys, 4)
	for _, key := range f.limiter.keys {
		require.False(t, strings.Contains(key, "ann") || strings.Contains(key, "@"), key)
	}
}

func TestForwardedAddr(t *testing.T) {
	for _, test := range []struct {
		forwarded []string
		want      string
	}{
		{nil, "192.0.2.9"},
		{[]string{"203.0.113.7"}, "203.0.113.7"},
		{[]string{"127.0.0.1, 10.0.0.1, 203.0.113.7"}, "203.0.113.7"},
		{[]string{"127.0.0.1", "203.0.113.7"}, "203.0.113.7"},
		{[]string{"2001:DB8::1"}, "2001:db8::1"},
		{[]string{"203.0.113.7, "}, "192.0.2.9"},
		{[]string{"203.0.113.7, nonsense"}, "192.0.2.9"},
		{[]string{""}, "192.0.2.9"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.RemoteAddr = "192.0.2.9:1234"
		for _, v := range test.forwarded {
			r.Header.Add("X-Forwarded-For", v)
		}
		require.Equal(t, test.want, auth.ForwardedAddr(r), "%q", test.forwarded)
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.RemoteAddr = "@"
	require.Equal(t, "@", auth.ForwardedAddr(r), "a connection without an address, such as a Unix socket's")
}
