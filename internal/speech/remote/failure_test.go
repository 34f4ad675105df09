package remote

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

const secret = "sk-0123456789abcdef"

func newTestClient(t *testing.T, c Config) *Client {
	t.Helper()
	c.Engine, c.Key = "example", secret
	if c.Calls == 0 {
		c.Calls = 4
	}
	if c.Wait == 0 {
		c.Wait = time.Minute
	}
	if c.MaxAnswer == 0 {
		c.MaxAnswer = 1 << 20
	}
	client := New(c)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func TestRefused(t *testing.T) {
	c := newTestClient(t, Config{})
	for status, want := range map[int]struct {
		kind caption.Kind
		code string
	}{
		301: {caption.KindInvalid, CodeAddress},
		400: {caption.KindInvalid, CodeRejected},
		401: {caption.KindInvalid, CodeKey},
		402: {caption.KindInvalid, CodePayment},
		403: {caption.KindInvalid, CodeForbidden},
		404: {caption.KindInvalid, CodeAddress},
		405: {caption.KindInvalid, CodeAddress},
		408: {caption.KindUnavailable, CodeBusy},
		413: {caption.KindInvalid, "too_long"},
		415: {caption.KindInvalid, CodeRejected},
		422: {caption.KindInvalid, CodeRejected},
		429: {caption.KindRateLimited, CodeBusy},
		500: {caption.KindUnavailable, CodeBusy},
		502: {caption.KindUnavailable, CodeBusy},
		503: {caption.KindUnavailable, CodeBusy},
		504: {caption.KindUnavailable, CodeBusy},
		529: {caption.KindUnavailable, CodeBusy},
	} {
		err := c.Refused(Answer{Status: status, Header: http.Header{"Retry-After": {"7"}}}, "their own text with "+secret)
		require.Equal(t, want.kind, err.Kind, status)
		require.Equal(t, want.code, err.Code, status)
		require.Equal(t, 7*time.Second, err.RetryAfter)
		require.Contains(t, err.Message, "example")
		require.NotContains(t, err.Message, "their own text")
		require.NotContains(t, err.Error(), secret)
		require.Equal(t, status != 401, strings.Contains(err.Error(), "their own text"), "%v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	c := newTestClient(t, Config{Now: func() time.Time { return now }})
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "3": 3 * time.Second, " 3 ": 3 * time.Second, "1.5": 1500 * time.Millisecond, "-5": 0, "soon": 0, "NaN": 0,
		"1e300": time.Hour, "86400": time.Hour,
		"Wed, 01 Jul 2026 12:00:30 GMT": 30 * time.Second, "Wed, 01 Jul 2026 11:00:00 GMT": 0, "Thu, 02 Jul 2026 12:00:00 GMT": time.Hour,
	} {
		require.Equal(t, want, c.retryAfter(http.Header{"Retry-After": {value}}), value)
	}
	require.Zero(t, c.retryAfter(nil))
}

func TestClean(t *testing.T) {
	c := newTestClient(t, Config{})
	require.Equal(t, "bad key [key] given", c.clean("bad\nkey \x1b"+secret+"\t given"))
	long := c.clean(strings.Repeat("ü", 298) + secret + "tail")
	require.Len(t, []rune(long), maxDetail+1)
	require.NotContains(t, long, secret[:6])
}

func TestSettings(t *testing.T) {
	for base, want := range map[string]string{
		"https://api.example.com/v1":       "https://api.example.com/v1/listen",
		"http://localhost:8080/":           "http://localhost:8080/listen",
		"https://[::1]:8080//":             "https://[::1]:8080/listen",
		"":                                 "",
		"api.example.com":                  "",
		"ftp://api.example.com":            "",
		"https://user:pw-secret@localhost": "",
		"https://localhost/#pw-secret":     "",
		"https://local host/pw-secret":     "",
	} {
		u, err := Address("The address", base, "/listen")
		if want == "" {
			require.Equal(t, "bad_settings", caption.CodeOf(err), base)
			require.NotContains(t, err.Error(), "pw-secret")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, u.String())
	}
	key, err := Key("The key", " "+secret+"\r\n")
	require.NoError(t, err)
	require.Equal(t, secret, key)
	for _, bad := range []string{"two words-secret", "line\nsecret", "ключ-secret"} {
		_, err := Key("The key", bad)
		require.Equal(t, "bad_settings", caption.CodeOf(err))
		require.NotContains(t, err.Error(), "secret")
	}
}
