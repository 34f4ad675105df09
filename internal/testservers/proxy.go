package testservers

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Proxy passes TCP connections on to a server, until it is told to make trouble.
type Proxy struct {
	Addr string // host:port

	target   string
	listener net.Listener
	stalled  atomic.Bool
	refusing atomic.Bool
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
}

// NewProxy starts a proxy to the server at target, for a test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{Addr: l.Addr().String(), target: target, listener: l, conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

// Cut breaks all connections; new ones are passed on.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close() // It is as good as closed.
	}
}

// Refuse breaks all connections, and new ones at once, until it is called with false.
func (p *Proxy) Refuse(on bool) {
	p.refusing.Store(on)
	if on {
		p.Cut()
	}
}

// Stall swallows what clients say, as if they hung; what the server says, and its hanging up, goes through.
func (p *Proxy) Stall(on bool) { p.stalled.Store(on) }

func (p *Proxy) close() {
	p.refusing.Store(true)
	_ = p.listener.Close() // Then Accept fails, which is the purpose.
	p.Cut()
	p.wg.Wait()
}

func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.pass(client) })
	}
}

func (p *Proxy) pass(client net.Conn) {
	defer p.forget(client)
	if !p.keep(client) {
		return
	}
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		return
	}
	defer p.forget(server)
	if !p.keep(server) {
		return
	}
	p.wg.Go(func() {
		defer p.forget(client) // The server has hung up: so does the proxy.
		_, _ = io.Copy(client, server)
	})
	buf := make([]byte, 32<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if p.stalled.Load() {
			continue
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// keep notes a connection that [Proxy.Cut] is to break, unless it is to be refused.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	return !p.refusing.Load()
}

func (p *Proxy) forget(c net.Conn) {
	_ = c.Close() // It may be closed already.
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}
