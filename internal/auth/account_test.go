package auth_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/auth"
	"k8s-scalers/internal/caption"
)

func TestSignUpAndIn(t *testing.T) {
	f := setup(t)
	up := f.post("signup", object{"email": " Ann@Example.ORG ", "password": password})
	require.Equal(t, http.StatusCreated, up.status, up.body)
	require.Equal(t, "no-store", up.header.Get("Cache-Control"))
	require.Nil(t, up.cookie())
	user := up.json["user"].(object)
	require.True(t, caption.ValidID(user["id"].(string)))
	require.Equal(t, "ann@example.org", user["email"])
	require.Equal(t, "2026-03-01T12:00:00.987Z", user["created_at"])

	for _, email := range []string{"ann@example.org", "ANN@EXAMPLE.ORG", "\tann@example.org\n"} {
		in := f.login(email, password)
		require.Equal(t, http.StatusOK, in.status, in.body)
		require.Equal(t, user, in.json["user"])
		require.Equal(t, "Bearer", in.text("token_type"))
		require.EqualValues(t, 900, in.json["expires_in"])
		require.NotEmpty(t, in.text("refresh_token"))
		require.Len(t, in.json, 5)

		me := f.me(in.text("access_token"))
		require.Equal(t, http.StatusOK, me.status)
		require.Equal(t, user, me.json)
	}
	require.Equal(t, 3, f.metric("captions_auth_sign_in_total", "ok"))
	requireProblem(t, f.do(http.MethodGet, "/api/v1/auth/me", nil), 401, "no_token")
}

func TestAnEmailHasOneAccount(t *testing.T) {
	f := setup(t)
	var created, taken atomic.Int32
	var wg sync.WaitGroup
	for _, email := range []string{"ann@example.org", "Ann@example.org", "ann@EXAMPLE.org", " ann@example.org", "ａｎｎ@example.org"} {
		wg.Go(func() {
			a := f.post("signup", object{"email": email, "password": password})
			switch {
			case a.status == http.StatusCreated:
				created.Add(1)
			case a.status == http.StatusConflict && a.text("code") == "email_taken":
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, created.Load())
	require.EqualValues(t, 4, taken.Load())
}

// Whether an account exists must not show in the answer to a login, nor in the work behind it.
func TestUnknownUserAndWrongPasswordAreTheSame(t *testing.T) {
	f := setup(t)
	f.signup("ann@example.org")
	work := func(email, password string) (answer, int) {
		before := f.hashes()
		a := f.login(email, password)
		return a, f.hashes() - before
	}
	unknown, unknownWork := work("nobody@example.org", password)
	wrong, wrongWork := work("ann@example.org", "wrong horse battery")
	right, rightWork := work("ann@example.org", password)
	requireProblem(t, unknown, 401, "bad_credentials")
	require.Equal(t, unknown.body, wrong.body)
	unknown.header.Del("Date")
	wrong.header.Del("Date")
	require.Equal(t, unknown.header, wrong.header)
	require.Equal(t, http.StatusOK, right.status)
	require.Equal(t, []int{1, 1, 1}, []int{unknownWork, wrongWork, rightWork})
	require.Equal(t, 2, f.metric("captions_auth_sign_in_total", "bad_credentials"))

	// The same holds for passwords that cannot be right.
	for _, odd := range []string{"", "short", strings.Repeat("x", 4096), "\x00"} {
		unknown, unknownWork := work("nobody@example.org", odd)
		wrong, wrongWork := work("ann@example.org", odd)
		requireProblem(t, unknown, 401, "bad_credentials")
		require.Equal(t, unknown.body, wrong.body)
		require.Equal(t, unknownWork, wrongWork)
	}
}

func TestPasswordsThatAreRefused(t *testing.T) {
	f := setup(t)
	for name, test := range map[string]struct{ password, code string }{
		"empty":                       {"", "password_too_short"},
		"seven characters":            {"1234567", "password_too_short"},
		"seven characters of many":    {"ééééééé", "password_too_short"},
		"1025 bytes":                  {strings.Repeat("x", 1025), "password_too_long"},
		"the e-mail":                  {"ann@example.org", "password_is_email"},
		"the e-mail in other letters": {" ANN@example.ORG", "password_is_email"},
		"not UTF-8":                   {"pass\ufffdword", "password_not_text"},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.hashes()
			requireProblem(t, f.post("signup", object{"email": "ann@example.org", "password": test.password}), 400, test.code)
			require.Equal(t, before, f.hashes())
		})
	}
	requireProblem(t, f.post("signup", object{"email": "ann@example.org", "password": strings.Repeat("x", 1<<20)}), 413, "body_too_large")
	requireProblem(t, f.login("ann@example.org", strings.Repeat("x", 1<<20)), 413, "body_too_large")
}

func TestPasswordsThatWork(t *testing.T) {
	f := setup(t)
	for i, pw := range []string{"12345678", "пароль на русском", "        ", "nul\x00 and \"quotes\"", strings.Repeat("x", 1024),
		strings.Repeat("\x01", 1024), "Amélie 12"} {
		email := string(rune('a'+i)) + "@example.org"
		a := f.post("signup", object{"email": email, "password": pw})
		require.Equal(t, http.StatusCreated, a.status, "%q: %s", pw, a.body)
		require.Equal(t, http.StatusOK, f.login(email, pw).status, "%q", pw)
		require.Equal(t, http.StatusUnauthorized, f.login(email, pw+" ").status, "%q", pw)
	}
	require.Equal(t, http.StatusOK, f.login("g@example.org", "Ame\u0301lie 12").status, "the same text, typed on another keyboard")
}

func TestBodiesThatAreRefused(t *testing.T) {
	f := setup(t)
	for _, route := range []string{"signup", "login", "refresh", "logout", "validate"} {
		requireProblem(t, f.post(route, []int{1}), 400, "bad_json")
		requireProblem(t, f.post(route, object{"admin": true}), 400, "bad_json")
		requireProblem(t, f.post(route, object{"token": 1, "refresh_token": 1, "email": 1}), 400, "bad_json")
		requireProblem(t, f.post(route, object{}, "Content-Type", "text/plain"), 400, "content_type")
		requireProblem(t, f.post(route, strings.Repeat("x", 9<<10)), 413, "body_too_large")
		require.Equal(t, http.StatusMethodNotAllowed, f.do(http.MethodGet, "/api/v1/auth/"+route, nil).status)
	}
	requireProblem(t, f.login("not an address", password), 400, "bad_email")
}

func TestHashIsRenewedWhenTheCostChanges(t *testing.T) {
	store, c := newStore(t), &clock{t: time.Now()}
	old := replica(t, store, c)
	old.signup("ann@example.org")
	before, err := store.UserByEmail(t.Context(), "ann@example.org")
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, before.PasswordHash)

	dear := replica(t, store, c, func(d *auth.Deps) { d.Passwords = auth.Hashing{MemoryKiB: 128, Passes: 2, Lanes: 2, Concurrent: 1} })
	require.Equal(t, http.StatusUnauthorized, dear.login("ann@example.org", "wrong horse battery").status)
	unchanged, err := store.UserByEmail(t.Context(), "ann@example.org")
	require.NoError(t, err)
	require.Equal(t, before, unchanged, "only the right password renews the hash")

	for range 2 {
		require.Equal(t, http.StatusOK, dear.login("ann@example.org", password).status)
		after, err := store.UserByEmail(t.Context(), "ann@example.org")
		require.NoError(t, err)
		require.Regexp(t, `^\$argon2id\$v=19\$m=128,t=2,p=2\$`, after.PasswordHash)
	}
	require.Equal(t, 4, dear.hashes(), "one wrong, one right and renewed, one right")
	require.Equal(t, http.StatusOK, old.login("ann@example.org", password).status, "an older replica can still verify")
}

func TestValidate(t *testing.T) {
	f := setup(t)
	in := f.signup("ann@example.org")
	a := f.post("validate", object{"token": in.text("access_token")})
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, object{"active": true, "user": in.json["user"], "expires_at": "2026-03-01T12:15:00Z"}, a.json)
	for _, token := range []string{"", "x", in.text("refresh_token"), in.text("access_token") + "x"} {
		a := f.post("validate", object{"token": token})
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, object{"active": false}, a.json)
	}
	f.clock.advance(16 * time.Minute)
	require.Equal(t, object{"active": false}, f.post("validate", object{"token": in.text("access_token")}).json)
}

func TestADatabaseThatIsAwayIsNoVerdict(t *testing.T) {
	f := setup(t)
	in := f.signup("ann@example.org")
	require.NoError(t, f.store.Close())
	for name, a := range map[string]answer{
		"login":    f.login("ann@example.org", password),
		"signup":   f.post("signup", object{"email": "bob@example.org", "password": password}),
		"refresh":  f.refresh(in.text("refresh_token")),
		"logout":   f.post("logout", object{"refresh_token": in.text("refresh_token")}),
		"me":       f.me(in.text("access_token")),
		"validate": f.post("validate", object{"token": in.text("access_token")}),
		"jwks":     f.do(http.MethodGet, "/.well-known/jwks.json", nil),
	} {
		require.Equal(t, http.StatusInternalServerError, a.status, name)
		require.NotContains(t, a.body, "sql", name)
	}
	require.Equal(t, 1, f.metric("captions_auth_sign_in_total", "error"))
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	f := setup(t)
	in := f.signup("ann@example.org")
	f.login("ann@example.org", "wrong horse battery")
	next := f.refresh(in.text("refresh_token"))
	f.clock.advance(time.Minute)
	f.refresh(in.text("refresh_token"))
	require.Contains(t, f.log.String(), "session ended")
	session, _, _ := strings.Cut(in.text("refresh_token"), ".")
	for _, secret := range []string{password, "wrong horse", "ann@", session, in.text("access_token"), in.text("refresh_token"), next.text("refresh_token")} {
		require.NotEmpty(t, secret)
		require.NotContains(t, f.log.String(), secret)
	}
}

func TestNewRefuses(t *testing.T) {
	good := auth.Deps{Accounts: newStore(t), Limiter: &limiter{now: time.Now}}
	_, err := auth.New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*auth.Deps){
		"no store":             func(d *auth.Deps) { d.Accounts = nil },
		"no limiter":           func(d *auth.Deps) { d.Limiter = nil },
		"too quick rotation":   func(d *auth.Deps) { d.KeyRotation = time.Minute },
		"no room to hash":      func(d *auth.Deps) { d.Passwords = auth.Hashing{MemoryKiB: 64, Passes: 1, Lanes: 1} },
		"too dear hashing":     func(d *auth.Deps) { d.Passwords = auth.Hashing{MemoryKiB: 1 << 30, Passes: 1, Lanes: 1, Concurrent: 1} },
		"hashing without work": func(d *auth.Deps) { d.Passwords = auth.Hashing{MemoryKiB: 64, Lanes: 1, Concurrent: 1} },
	} {
		t.Run(name, func(t *testing.T) {
			d := good
			change(&d)
			_, err := auth.New(d)
			require.Error(t, err)
		})
	}
}
