// Package identity says who makes a request: access tokens, the keys that verify them, and the middleware by which
// every service verifies them itself. Signing in, passwords and sessions live in package auth.
package identity

import (
	"context"
	"net/http"
	"strings"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
)

// User is the caller of a request.
type User struct {
	ID    string
	Email string
}

// Verifier turns an access token into its user. Any fault of the token is [caption.KindUnauthenticated]; keys that
// cannot be had are [caption.KindUnavailable].
type Verifier interface {
	Verify(ctx context.Context, token string) (User, error)
}

type contextKey struct{}

// WithUser returns a context that carries u.
func WithUser(ctx context.Context, u User) context.Context {
	return context.WithValue(ctx, contextKey{}, u)
}

// UserOf returns the user that the context carries.
func UserOf(ctx context.Context) (User, bool) {
	u, ok := ctx.Value(contextKey{}).(User)
	return u, ok
}

// Bearer returns the token of the Authorization header; ok is false where there is none.
func Bearer(r *http.Request) (token string, ok bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", false
	}
	return token, true
}

// Authenticate returns the user of the request's bearer token.
func Authenticate(v Verifier, r *http.Request) (User, error) {
	token, ok := Bearer(r)
	if !ok {
		return User{}, caption.Errorf(caption.KindUnauthenticated, "Sign in first: the request has no access token.").WithCode("no_token")
	}
	return v.Verify(r.Context(), token)
}

// Require lets only requests with a valid token through, with their user in the context.
func Require(v Verifier, next http.Handler) http.Handler {
	return httpapi.Handler(func(w http.ResponseWriter, r *http.Request) error {
		u, err := Authenticate(v, r)
		if err != nil {
			return err
		}
		httpapi.NoteUser(r.Context(), u.ID)
		next.ServeHTTP(w, r.WithContext(WithUser(r.Context(), u)))
		return nil
	})
}
