package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"k8s-scalers/internal/client"
)

// server is a captions serve of our own, on a free port.
type server struct {
	base   string
	cmd    *exec.Cmd
	stderr bytes.Buffer
	exited chan struct{}
	err    error // why it exited; read after exited is closed
}

// serve starts captions serve over a data folder and waits until it answers.
func (l *lab) serve(ctx context.Context, data string) (*server, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	s := &server{base: "http://" + addr, exited: make(chan struct{})}
	s.cmd = command(ctx, l.captions, "serve")
	s.cmd.Env = append(s.cmd.Environ(), "CAPTIONS_ADDR="+addr, "CAPTIONS_ADMIN_ADDR="+admin, "CAPTIONS_DATA_DIR="+data, "CAPTIONS_LOG_LEVEL=warn",
		fmt.Sprintf("CAPTIONS_WORKERS=%d", cores))
	s.cmd.Stderr = &s.stderr
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("captions serve: %w", err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.exited)
	}()
	if err := s.ready(ctx, "http://"+admin+"/readyz"); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// ready waits until the server says at its probe that it is.
func (s *server) ready(ctx context.Context, probe string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, probe, nil)
		if err != nil {
			return fmt.Errorf("make request: %w", err)
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close() // Only the status matters.
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.exited:
			return fmt.Errorf("captions serve exited: %w", s.err)
		case <-ctx.Done():
			return errors.New("captions serve was not ready within 30 s")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the server and waits for it.
func (s *server) stop() error {
	select {
	case <-s.exited:
		return fmt.Errorf("captions serve exited early: %w: %s", s.err, tail(s.stderr.String()))
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop captions serve: %w", err)
	}
	select {
	case <-s.exited:
	case <-time.After(time.Minute):
		_ = s.cmd.Process.Kill() // It may have ended just now.
		<-s.exited
	}
	if s.err != nil {
		return fmt.Errorf("captions serve: %w: %s", s.err, tail(s.stderr.String()))
	}
	return nil
}

func freeAddr(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// session keeps a user's tokens in memory.
type session struct {
	mu sync.Mutex
	s  client.Session
}

// Update implements [client.Sessions].
func (s *session) Update(change func(*client.Session) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return change(&s.s)
}

func (s *session) token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.s.AccessToken
}

// user is somebody with an account.
type user struct {
	session *session
	api     *client.Client
}

// signUp makes an account. Users come from loopback addresses of their own, because a server lets only so many people
// of one address sign up.
func (s *server) signUp(ctx context.Context, n int) (*user, error) {
	u := &user{session: &session{}}
	u.api = &client.Client{Base: s.base, Sessions: u.session, HTTP: httpFrom(n)}
	if err := u.api.Login(ctx, fmt.Sprintf("user%d@example.org", n), "correct horse battery staple", true); err != nil {
		return nil, fmt.Errorf("sign up: %w", err)
	}
	return u, nil
}

// at moves a user to another server over the same data.
func (u *user) at(s *server) *user {
	u.session.mu.Lock()
	u.session.s.Server = s.base
	u.session.mu.Unlock()
	return &user{session: u.session, api: &client.Client{Base: s.base, Sessions: u.session, HTTP: u.api.HTTP}}
}

// httpFrom returns a client that connects from the n-th loopback address and keeps its connections.
func httpFrom(n int) *http.Client {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+n/250), byte(1+n%250))}}
	return &http.Client{Transport: &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: 16}}
}
