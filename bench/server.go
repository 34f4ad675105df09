package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"k8s-scalers/internal/client"
	"k8s-scalers/internal/testservers"
)

// server is a program of ours that serves.
type server struct {
	base   string // where it answers
	name   string
	cmd    *exec.Cmd
	stderr bytes.Buffer
	exited chan struct{}
	err    error // why it exited; read after exited is closed
}

// serve starts captions serve over a data folder and waits until it answers.
func (l *lab) serve(ctx context.Context, data string) (*server, error) {
	addr, err := testservers.FreeAddr()
	if err != nil {
		return nil, err
	}
	return start(ctx, command(ctx, l.captions, "serve"), addr, map[string]string{"DATA_DIR": data, "WORKERS": strconv.Itoa(cores)})
}

// start starts a program of ours on an address with settings, whose names lack the prefix, and waits until it is ready.
func start(ctx context.Context, cmd *exec.Cmd, addr string, settings map[string]string) (*server, error) {
	admin, err := testservers.FreeAddr()
	if err != nil {
		return nil, err
	}
	s := &server{base: "http://" + addr, name: filepath.Base(cmd.Path), cmd: cmd, exited: make(chan struct{})}
	cmd.Env = append(cmd.Environ(), "CAPTIONS_ADDR="+addr, "CAPTIONS_ADMIN_ADDR="+admin, "CAPTIONS_LOG_LEVEL=warn")
	for name, value := range settings {
		cmd.Env = append(cmd.Env, "CAPTIONS_"+name+"="+value)
	}
	cmd.Stderr = &s.stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	go func() {
		s.err = cmd.Wait()
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
			return fmt.Errorf("%s exited: %w", s.name, s.err)
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready within 30 s", s.name)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// stop ends the server and waits for it.
func (s *server) stop() error {
	select {
	case <-s.exited:
		return fmt.Errorf("%s exited early: %w: %s", s.name, s.err, tail(s.stderr.String()))
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	select {
	case <-s.exited:
	case <-time.After(time.Minute):
		_ = s.cmd.Process.Kill() // It may have ended just now.
		<-s.exited
	}
	if s.err != nil {
		return fmt.Errorf("%s: %w: %s", s.name, s.err, tail(s.stderr.String()))
	}
	return nil
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
func signUp(ctx context.Context, base string, n int) (*user, error) {
	u := &user{session: &session{}}
	u.api = &client.Client{Base: base, Sessions: u.session, HTTP: httpFrom(n)}
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
