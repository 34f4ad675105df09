package identity_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/identity"
)

type verifierFunc func(token string) (identity.User, error)

func (f verifierFunc) Verify(_ context.Context, token string) (identity.User, error) { return f(token) }

func TestRequire(t *testing.T) {
	h := identity.Require(verifierFunc(func(token string) (identity.User, error) {
		switch token {
		case "good":
			return ann, nil
		case "away":
			return identity.User{}, caption.Errorf(caption.KindUnavailable, "Away.")
		}
		return identity.User{}, caption.Errorf(caption.KindUnauthenticated, "Bad.")
	}), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, ok := identity.UserOf(r.Context())
		if !ok {
			http.Error(w, "no user", http.StatusTeapot)
			return
		}
		_, _ = io.WriteString(w, u.Email)
	}))
	for header, want := range map[string]int{
		"Bearer good": 200, "bearer good": 200,
		"": 401, "Bearer": 401, "Bearer ": 401, "Basic good": 401, "good": 401, "Bearer bad": 401, "Bearer  good": 401,
		"Bearer away": 503,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, header)
		if want == 200 {
			require.Equal(t, ann.Email, w.Body.String())
		} else {
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		}
	}
	_, ok := identity.UserOf(t.Context())
	require.False(t, ok)
}
