package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
)

// server is one listener with its HTTP server.
type server struct {
	name     string
	listener net.Listener
	http     *http.Server
	// requests counts the handlers that run. Hijacked connections are invisible to Shutdown, their handlers are not.
	requests sync.WaitGroup

	mu sync.Mutex
	// fresh holds connections that have not sent a byte, such as those that browsers open in advance. Shutdown would
	// wait seconds for them.
	fresh    map[net.Conn]struct{}
	stopping bool
}

// openedKey is when the connection of a request was opened.
type openedKey struct{}

// bind binds an address and prepares its server.
func (a *App) bind(name, addr, setting string, h http.Handler) (*server, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, bindError(name, addr, setting, err)
	}
	s := &server{name: name, listener: l, fresh: map[net.Conn]struct{}{}}
	base := httpapi.WithDrain(a.hard, a.draining)
	s.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.requests.Add(1)
			defer s.requests.Done()
			if opened, ok := r.Context().Value(openedKey{}).(time.Time); ok && time.Since(opened) > a.o.MaxConnAge {
				w.Header().Set("Connection", "close")
			}
			h.ServeHTTP(w, r)
		}),
		BaseContext: func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, openedKey{}, time.Now())
		},
		ConnState: s.track,
		// There is no limit to the time of a whole request or response, because uploads and streams take as long as
		// they take.
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.With("server", name).Handler(), slog.LevelWarn),
	}
	return s, nil
}

// bindError says what to do about an address that cannot be had.
func bindError(name, addr, setting string, err error) error {
	_, port, splitErr := net.SplitHostPort(addr)
	switch {
	case splitErr != nil:
		return caption.Errorf(caption.KindInvalid, "%q is not an address to listen on: give one such as localhost:8080 with %s", addr, setting).WithCode("bad_addr").WithCause(err)
	case errors.Is(err, syscall.EADDRINUSE):
		return caption.Errorf(caption.KindConflict, "port %s is in use: stop the other program or choose another with %s", port, setting).WithCode("addr_in_use").WithCause(err)
	case errors.Is(err, syscall.EACCES):
		return caption.Errorf(caption.KindForbidden, "port %s needs more privileges: choose one above 1023 with %s", port, setting).WithCode("addr_forbidden").WithCause(err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return caption.Errorf(caption.KindInvalid, "%s is not an address of this machine: choose another with %s", addr, setting).WithCode("bad_addr").WithCause(err)
	}
	return fmt.Errorf("listen for %s on %s: %w", name, addr, err)
}

func (s *server) serve() error {
	if err := s.http.Serve(s.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.name, err)
	}
	return nil
}

// track closes connections that have never been used once the server shuts down.
func (s *server) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != http.StateNew {
		delete(s.fresh, c)
	} else if s.fresh[c] = struct{}{}; s.stopping {
		_ = c.Close()
	}
}

// shutdown stops accepting, lets requests finish until ctx ends, and then closes what is left.
func (s *server) shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for c := range s.fresh {
		_ = c.Close()
	}
	s.mu.Unlock()
	err := s.http.Shutdown(ctx)
	if err == nil {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.requests.Wait()
		}()
		select {
		case <-ended:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		s.close()
	}
	return err
}

func (s *server) close() {
	_ = s.http.Close()     // Its errors are those of closing connections, which are gone either way.
	_ = s.listener.Close() // The server does not know it before Serve.
}
