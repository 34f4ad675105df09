package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"k8s-scalers/internal/caption"
)

// Session is what signing in gives.
type Session struct {
	Server       string    `json:"server"`
	Email        string    `json:"email"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	Expires      time.Time `json:"expires"` // of the access token
}

// Sessions keeps a session. Update runs change while no other process does the same, because a refresh token may be
// used once only: two programs that refresh at the same time would end the session.
type Sessions interface {
	// Update passes the stored session, zero when there is none, and stores what change leaves there; zero removes it.
	Update(change func(*Session) error) error
}

// FileSessions keeps the session in a file that only its owner can read.
type FileSessions struct{ Path string }

// DefaultSessions keeps the session in the user's configuration folder.
func DefaultSessions() (FileSessions, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return FileSessions{}, caption.Errorf(caption.KindInvalid, "The folder for your settings is not known (%v). Set XDG_CONFIG_HOME or HOME.", err)
	}
	return FileSessions{filepath.Join(dir, "captions", "session.json")}, nil
}

// Update implements [Sessions].
func (f FileSessions) Update(change func(*Session) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return fmt.Errorf("make the folder for the session: %w", err)
	}
	lock, err := os.OpenFile(f.Path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock the session: %w", err)
	}
	defer func() { _ = lock.Close() }() // Closing ends the lock; nothing was written.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock the session: %w", err)
	}
	var s Session
	b, err := os.ReadFile(f.Path)
	if err == nil {
		if err := json.Unmarshal(b, &s); err != nil {
			return caption.Errorf(caption.KindInvalid, "The session file %s is damaged. Delete it and sign in again.", f.Path).WithCause(err)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the session: %w", err)
	}
	before := s
	if err := change(&s); err != nil {
		return err
	}
	switch s {
	case before:
		return nil
	case Session{}:
		if err := os.Remove(f.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the session: %w", err)
		}
		return nil
	}
	if b, err = json.MarshalIndent(s, "", "  "); err != nil {
		return fmt.Errorf("render the session: %w", err)
	}
	// A rename replaces the file as a whole, so that a crash leaves the old session or the new one.
	if err := os.WriteFile(f.Path+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("store the session: %w", err)
	}
	if err := os.Rename(f.Path+".new", f.Path); err != nil {
		return fmt.Errorf("store the session: %w", err)
	}
	return nil
}

// signedIn is the answer to signing up, signing in and refreshing.
type signedIn struct {
	User struct {
		Email string `json:"email"`
	} `json:"user"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
}

func (a signedIn) session(server string) Session {
	return Session{Server: server, Email: a.User.Email, AccessToken: a.AccessToken, RefreshToken: a.RefreshToken,
		Expires: time.Now().Add(time.Duration(a.ExpiresIn) * time.Second)}
}

// Login signs in, or signs up first where create is true, and keeps the session.
func (c *Client) Login(ctx context.Context, email, password string, create bool) error {
	path := "/api/v1/auth/login"
	if create {
		path = "/api/v1/auth/signup"
	}
	var a signedIn
	if err := c.do(ctx, request{method: "POST", path: path, anonymous: true,
		body: map[string]string{"email": email, "password": password}}, &a); err != nil {
		return err
	}
	return c.Sessions.Update(func(s *Session) error { *s = a.session(c.Base); return nil })
}

// Logout ends the session at the server and forgets it here; the latter also when the server cannot be reached.
func (c *Client) Logout(ctx context.Context) error {
	var serverErr error
	err := c.Sessions.Update(func(s *Session) error {
		if s.RefreshToken == "" {
			return notSignedIn()
		}
		serverErr = c.do(ctx, request{method: "POST", path: "/api/v1/auth/logout", anonymous: true,
			body: map[string]string{"refresh_token": s.RefreshToken}}, nil)
		*s = Session{}
		return nil
	})
	return errors.Join(err, serverErr)
}

func notSignedIn() error {
	return caption.Errorf(caption.KindUnauthenticated, "You are not signed in. Sign in first: captions login").WithCode("not_signed_in")
}

// Token returns an access token that is good for at least half a minute, for requests that this package does not make.
func (c *Client) Token(ctx context.Context) (string, error) { return c.token(ctx, "") }

// token returns an access token that is good for a while. refused is one that the server did not take, if any.
func (c *Client) token(ctx context.Context, refused string) (token string, err error) {
	err = c.Sessions.Update(func(s *Session) error {
		if s.RefreshToken == "" {
			return notSignedIn()
		}
		if s.Server != c.Base {
			return caption.Errorf(caption.KindUnauthenticated, "You are signed in at %s, not at %s. Sign in there first: captions login --server %s", s.Server, c.Base, c.Base).WithCode("other_server")
		}
		if s.AccessToken == refused || time.Until(s.Expires) < 30*time.Second {
			var a signedIn
			err := c.do(ctx, request{method: "POST", path: "/api/v1/auth/refresh", anonymous: true,
				body: map[string]string{"refresh_token": s.RefreshToken}}, &a)
			if err != nil {
				if caption.KindOf(err) == caption.KindUnauthenticated {
					return caption.Errorf(caption.KindUnauthenticated, "Your session has ended. Sign in again: captions login").WithCode("session_ended").WithCause(err)
				}
				return err
			}
			*s = a.session(c.Base)
		}
		token = s.AccessToken
		return nil
	})
	return token, err
}
