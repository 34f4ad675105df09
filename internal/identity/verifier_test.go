package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/identity"
)

// authService stands at the other end of the HTTP client. It can be away or slow.
type authService struct {
	mu      sync.Mutex
	keys    []identity.SigningKey
	away    bool
	fetches int
	gate    chan struct{} // when set, answers wait until it is closed
}

func (a *authService) set(away bool, keys ...identity.SigningKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away, a.keys = away, keys
}

func (a *authService) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fetches
}

func (a *authService) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.fetches++
	away, gate := a.away, a.gate
	var set identity.JWKS
	for _, k := range a.keys {
		set.Keys = append(set.Keys, identity.NewJWK(k.ID, publicOf(k)))
	}
	a.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if away {
		return nil, errors.New("connection refused")
	}
	b, err := json.Marshal(set)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(b)))}, err
}

func (a *authService) verifier() *identity.JWKSVerifier {
	return identity.NewJWKSVerifier(identity.JWKSDeps{URL: "http://auth.internal/.well-known/jwks.json",
		Issuer: issuer.Name, Audience: issuer.Audience, Client: &http.Client{Transport: a}})
}

func issue(t *testing.T, k identity.SigningKey) string {
	t.Helper()
	token, _, err := issuer.Issue(k, ann, time.Now())
	require.NoError(t, err)
	return token
}

func TestVerifierCachesKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k1, k2 := newKey(t, "k1"), newKey(t, "k2")
		auth := &authService{keys: []identity.SigningKey{k1}}
		v := auth.verifier()
		require.Zero(t, auth.count())
		for range 5 {
			u, err := v.Verify(t.Context(), issue(t, k1))
			require.NoError(t, err)
			require.Equal(t, ann, u)
		}
		require.Equal(t, 1, auth.count())

		t.Log("a rotation: the new key is found at once, the old one goes on")
		time.Sleep(time.Minute)
		auth.set(false, k1, k2)
		_, err := v.Verify(t.Context(), issue(t, k2))
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), issue(t, k1))
		require.NoError(t, err)
		require.Equal(t, 2, auth.count())

		t.Log("a key that is taken back is refused when the cache is old")
		auth.set(false, k2)
		time.Sleep(4 * time.Minute)
		_, err = v.Verify(t.Context(), issue(t, k1))
		require.NoError(t, err)
		time.Sleep(time.Minute)
		_, err = v.Verify(t.Context(), issue(t, k1))
		require.Equal(t, caption.KindUnauthenticated, caption.KindOf(err))
		require.Equal(t, 3, auth.count())
	})
}

func TestATokenSeenBeforeIsNoBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k1 := newKey(t, "k1")
		auth := &authService{keys: []identity.SigningKey{k1}}
		v := auth.verifier()
		verify := func(token string) string {
			_, err := v.Verify(t.Context(), token)
			return caption.CodeOf(err)
		}
		token := issue(t, k1)
		for range 2 {
			require.Empty(t, verify(token))
		}
		flipped := []byte(token)
		flipped[len(flipped)-2] ^= 1
		require.Equal(t, "token_invalid", verify(string(flipped)))

		t.Log("its key is taken back")
		auth.set(false, newKey(t, "k2"))
		time.Sleep(6 * time.Minute)
		require.Equal(t, "token_invalid", verify(token))

		t.Log("another key has the name of its key")
		auth.set(false, newKey(t, "k1"))
		time.Sleep(time.Minute)
		require.Equal(t, "token_invalid", verify(token))

		t.Log("it expires")
		auth.set(false, k1)
		time.Sleep(6 * time.Minute)
		require.Empty(t, verify(token))
		time.Sleep(issuer.TTL)
		require.Equal(t, "token_expired", verify(token))
	})
}

func TestInventedKeyIDsDoNotFloodAuthService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k1 := newKey(t, "k1")
		auth := &authService{keys: []identity.SigningKey{k1}}
		v := auth.verifier()
		for range 1000 {
			_, err := v.Verify(t.Context(), issue(t, newKey(t, caption.NewID())))
			require.Equal(t, caption.KindUnauthenticated, caption.KindOf(err))
			time.Sleep(25 * time.Millisecond)
		}
		require.Equal(t, 3, auth.count(), "one every ten seconds, in 25 seconds")
		_, err := v.Verify(t.Context(), issue(t, k1))
		require.NoError(t, err)
	})
}

func TestVerifierWhileAuthServiceIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k1, k2 := newKey(t, "k1"), newKey(t, "k2")
		auth := &authService{away: true}
		v := auth.verifier()
		_, err := v.Verify(t.Context(), issue(t, k1))
		require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "no keys yet: it cannot be known")
		e, ok := errors.AsType[*caption.Error](err)
		require.True(t, ok)
		require.NotContains(t, e.Message, "refused", "internal text is for the log")

		auth.set(false, k1)
		_, err = v.Verify(t.Context(), issue(t, k1))
		require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "a failed fetch is not repeated within a second")
		time.Sleep(time.Second)
		_, err = v.Verify(t.Context(), issue(t, k1))
		require.NoError(t, err)

		auth.set(true)
		token := issue(t, k1)
		time.Sleep(10 * time.Minute)
		_, err = v.Verify(t.Context(), token)
		require.NoError(t, err, "known keys go on")
		_, err = v.Verify(t.Context(), issue(t, k2))
		require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "an unknown key may be a new one")
		time.Sleep(6 * time.Minute)
		_, err = v.Verify(t.Context(), token)
		require.Equal(t, "token_expired", caption.CodeOf(err))
	})
}

func TestOneFetchServesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k1 := newKey(t, "k1")
		auth := &authService{keys: []identity.SigningKey{k1}, gate: make(chan struct{})}
		v := auth.verifier()
		token := issue(t, k1)

		t.Log("the one who began the fetch gives up; the others still get its result")
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() {
			_, err := v.Verify(ctx, token)
			first <- err
		}()
		synctest.Wait()
		var ok atomic.Int32
		for range 20 {
			go func() {
				if _, err := v.Verify(t.Context(), token); err == nil {
					ok.Add(1)
				}
			}()
		}
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-first, context.Canceled)
		close(auth.gate)
		synctest.Wait()
		require.EqualValues(t, 20, ok.Load())
		require.Equal(t, 1, auth.count())
	})
}

func TestOldKeysAreRefreshedByOneWhileOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k1 := newKey(t, "k1")
		auth := &authService{keys: []identity.SigningKey{k1}}
		v := auth.verifier()
		_, err := v.Verify(t.Context(), issue(t, k1))
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		auth.gate = make(chan struct{}) // It hangs.
		token := issue(t, k1)
		begun := time.Now()
		slow := make(chan time.Duration, 1)
		go func() {
			_, err := v.Verify(t.Context(), token)
			if err == nil {
				slow <- time.Since(begun)
			}
		}()
		synctest.Wait()
		for range 5 {
			_, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(begun), "nobody else waits")
		require.Equal(t, 3*time.Second, <-slow, "the one who refreshes waits for a bounded time and then goes on, too")
		require.Equal(t, 2, auth.count())
	})
}

func TestVerifierRefusesBadDocuments(t *testing.T) {
	k1 := newKey(t, "k1")
	for name, answer := range map[string]http.HandlerFunc{
		"error status": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"keys":[]}`, http.StatusBadGateway) },
		"no JSON":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no keys":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) },
		"too large":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat(" ", 1<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			v := identity.NewJWKSVerifier(identity.JWKSDeps{URL: server.URL, Client: server.Client(), Issuer: issuer.Name, Audience: issuer.Audience})
			_, err := v.Verify(t.Context(), issue(t, k1))
			require.Equal(t, caption.KindUnavailable, caption.KindOf(err))
		})
	}
}
