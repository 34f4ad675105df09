package auth

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
)

// maxBody is the largest request body, in bytes: a password of the greatest length with every byte escaped fits.
const maxBody = 8 << 10

// Handler returns the routes of the service.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /api/v1/auth/signup", httpapi.Handler(s.signup))
	mux.Handle("POST /api/v1/auth/login", httpapi.Handler(s.login))
	mux.Handle("POST /api/v1/auth/refresh", httpapi.Handler(s.refresh))
	mux.Handle("POST /api/v1/auth/logout", httpapi.Handler(s.logout))
	mux.Handle("GET /api/v1/auth/me", httpapi.Handler(s.me))
	mux.Handle("POST /api/v1/auth/validate", httpapi.Handler(s.validate))
	mux.Handle("GET "+identity.JWKSPath, httpapi.Handler(s.jwks))
	return mux
}

// credentials is the body of signup and login.
type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Cookie   bool   `json:"cookie"` // for browsers: keep the refresh token in a cookie that scripts cannot read
}

// userView is a user as clients see it.
type userView struct {
	ID      string    `json:"id"`
	Email   string    `json:"email"`
	Created time.Time `json:"created_at"`
}

// tokens is what signing in and refreshing give.
type tokens struct {
	User         userView `json:"user"`
	AccessToken  string   `json:"access_token"`
	TokenType    string   `json:"token_type"`
	ExpiresIn    int      `json:"expires_in"` // seconds
	RefreshToken string   `json:"refresh_token,omitempty"`
}

// signup creates an account. That it tells whether an address has an account is a choice: without sending mail there is no
// way to hide it that helps the person who forgot that they have one. The limit by address keeps lists from being tried.
func (s *Service) signup(w http.ResponseWriter, r *http.Request) error {
	in, email, err := readCredentials(r)
	if err != nil {
		return err
	}
	if err := s.limits.signup(r); err != nil {
		return err
	}
	if err := checkNewPassword(in.Password, email); err != nil {
		return err
	}
	ctx := r.Context()
	hash, err := s.passwords.hash(ctx, in.Password)
	if err != nil {
		return err
	}
	u := accounts.User{ID: caption.NewID(), Email: email, PasswordHash: hash, Created: s.now().UTC().Truncate(time.Millisecond)}
	if err := s.accounts.CreateUser(ctx, u); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "account created", "user", u.ID)
	return s.begin(w, r, http.StatusCreated, u, in.Cookie)
}

func (s *Service) login(w http.ResponseWriter, r *http.Request) error {
	in, email, err := readCredentials(r)
	if err != nil {
		return err
	}
	u, err := s.signIn(r, email, in.Password)
	s.metrics.signIns.WithLabelValues(signInOutcome(err)).Inc()
	if err != nil {
		return err
	}
	return s.begin(w, r, http.StatusOK, u, in.Cookie)
}

func signInOutcome(err error) string {
	switch {
	case err == nil:
		return signInOK
	case caption.KindOf(err) == caption.KindUnauthenticated:
		return signInBad
	case caption.KindOf(err) == caption.KindRateLimited:
		return signInRateLimited
	default:
		return signInError
	}
}

// signIn returns the user of an e-mail and a password. An unknown user and a wrong password cost the same work and
// give the same answer.
func (s *Service) signIn(r *http.Request, email, password string) (accounts.User, error) {
	if err := s.limits.login(r, email); err != nil {
		return accounts.User{}, err
	}
	ctx := r.Context()
	wrong := caption.Errorf(caption.KindUnauthenticated, "The e-mail address or the password is wrong.").WithCode("bad_credentials")
	u, err := s.accounts.UserByEmail(ctx, email)
	if isNotFound(err) {
		if err := s.passwords.verifyNobody(ctx, password); err != nil {
			return accounts.User{}, err
		}
		return accounts.User{}, wrong
	}
	if err != nil {
		return accounts.User{}, err
	}
	ok, stale, err := s.passwords.verify(ctx, u.PasswordHash, password)
	if err != nil {
		return accounts.User{}, fmt.Errorf("verify password of user %s: %w", u.ID, err)
	}
	if !ok {
		return accounts.User{}, wrong
	}
	if stale {
		s.rehash(ctx, u, password)
	}
	return u, nil
}

// rehash stores the hash of a password that was just verified at the present cost. A failure is no reason to refuse
// the sign-in: the next one tries again.
func (s *Service) rehash(ctx context.Context, u accounts.User, password string) {
	hash, err := s.passwords.hash(ctx, password)
	if err == nil {
		err = s.accounts.ReplacePasswordHash(ctx, u.ID, u.PasswordHash, hash)
	}
	if err != nil {
		s.log.WarnContext(ctx, "password hash not renewed", "user", u.ID, "error", err)
	}
}

func (s *Service) refresh(w http.ResponseWriter, r *http.Request) error {
	token, byCookie, err := readRefreshToken(r)
	if err != nil {
		return err
	}
	if err := s.limits.refresh(r); err != nil {
		return err
	}
	g, err := s.sessions.exchange(r.Context(), token)
	if g.outcome != "" {
		s.metrics.refreshes.WithLabelValues(g.outcome).Inc()
	}
	if g.outcome == reused {
		s.log.WarnContext(r.Context(), "an old refresh token was used again; session ended", "user", g.userID)
	}
	if caption.KindOf(err) == caption.KindUnauthenticated && byCookie {
		clearCookie(w, r)
	}
	if err != nil {
		return err
	}
	u, err := s.accounts.User(r.Context(), g.userID)
	if isNotFound(err) {
		return errRefreshInvalid()
	}
	if err != nil {
		return err
	}
	return s.grant(w, r, http.StatusOK, u, g.token, g.expires, byCookie)
}

// logout ends the session. Access tokens that it has given out work until they expire, as no service asks about them.
func (s *Service) logout(w http.ResponseWriter, r *http.Request) error {
	token, byCookie, err := readRefreshToken(r)
	if err != nil {
		return err
	}
	if err := s.sessions.end(r.Context(), token); err != nil {
		return err
	}
	if byCookie {
		clearCookie(w, r)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) me(w http.ResponseWriter, r *http.Request) error {
	token, ok := identity.Bearer(r)
	if !ok {
		return caption.Errorf(caption.KindUnauthenticated, "Sign in first: the request has no access token.").WithCode("no_token")
	}
	u, _, err := s.userOf(r.Context(), token)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, view(u))
}

// validation is the answer of validate, in the manner of RFC 7662: whatever is wrong with a token, it is just not active.
type validation struct {
	Active  bool       `json:"active"`
	User    *userView  `json:"user,omitempty"`
	Expires *time.Time `json:"expires_at,omitempty"`
}

func (s *Service) validate(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Token string `json:"token"`
	}
	if err := httpapi.ReadJSON(r, &in, maxBody); err != nil {
		return err
	}
	u, expires, err := s.userOf(r.Context(), in.Token)
	if caption.KindOf(err) == caption.KindUnauthenticated {
		return httpapi.WriteJSON(w, http.StatusOK, validation{})
	}
	if err != nil {
		return err
	}
	v := view(u)
	return httpapi.WriteJSON(w, http.StatusOK, validation{Active: true, User: &v, Expires: &expires})
}

// userOf returns the user of an access token, who must still exist.
func (s *Service) userOf(ctx context.Context, token string) (accounts.User, time.Time, error) {
	c, err := s.keys.check(ctx, token)
	if err != nil {
		return accounts.User{}, time.Time{}, err
	}
	u, err := s.accounts.User(ctx, c.User.ID)
	if isNotFound(err) {
		err = caption.Errorf(caption.KindUnauthenticated, "This account does not exist any more.").WithCode("token_invalid")
	}
	return u, c.Expires, err
}

func (s *Service) jwks(w http.ResponseWriter, r *http.Request) error {
	set, err := s.keys.jwks(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(jwksMaxAge.Seconds())))
	return httpapi.WriteJSON(w, http.StatusOK, set)
}

// begin starts a session and answers with its first tokens.
func (s *Service) begin(w http.ResponseWriter, r *http.Request, status int, u accounts.User, cookie bool) error {
	token, expires, err := s.sessions.begin(r.Context(), u.ID)
	if err != nil {
		return err
	}
	return s.grant(w, r, status, u, token, expires, cookie)
}

// grant answers with an access token and the refresh token, the latter in a cookie where the client wants that.
func (s *Service) grant(w http.ResponseWriter, r *http.Request, status int, u accounts.User, refresh string, expires time.Time, cookie bool) error {
	access, _, err := s.keys.issue(r.Context(), identity.User{ID: u.ID, Email: u.Email})
	if err != nil {
		return err
	}
	out := tokens{User: view(u), AccessToken: access, TokenType: "Bearer", ExpiresIn: int(s.keys.issuer.TTL.Seconds()), RefreshToken: refresh}
	if cookie {
		out.RefreshToken = ""
		setCookie(w, r, refresh, expires.Sub(s.now()))
	}
	return httpapi.WriteJSON(w, status, out)
}

// readCredentials reads the body of signup and login and returns the normal form of the e-mail as well.
func readCredentials(r *http.Request) (in credentials, email string, err error) {
	if err := httpapi.ReadJSON(r, &in, maxBody); err != nil {
		return in, "", err
	}
	if in.Cookie {
		if err := sameOrigin(r); err != nil {
			return in, "", err
		}
	}
	email, err = normalEmail(in.Email)
	return in, email, err
}

func view(u accounts.User) userView { return userView{ID: u.ID, Email: u.Email, Created: u.Created} }

func isNotFound(err error) bool { return caption.KindOf(err) == caption.KindNotFound }
