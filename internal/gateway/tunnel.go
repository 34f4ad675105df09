package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"k8s-scalers/internal/caption"
)

const (
	// The buffers are small because every open WebSocket holds both; messages of services are of this order, and clients
	// send next to nothing.
	bufferDown = 1536
	bufferUp   = 256
	// writeTimeout is how long a side may take to accept bytes before it counts as gone.
	writeTimeout = 30 * time.Second
	// linger is how long the other direction stays open after one has ended: enough for a closing handshake.
	linger = 5 * time.Second
	// drainGrace is how long services have to end WebSockets in their own way when the gateway drains.
	drainGrace = 2 * time.Second
)

// tunnels are the open WebSockets.
type tunnels struct {
	gauge prometheus.Gauge

	mu       sync.Mutex
	owners   map[string]int
	open     map[*tunnel]struct{}
	draining bool
	none     chan struct{} // closed when draining and the last has ended
}

func newTunnels(gauge prometheus.Gauge) *tunnels {
	return &tunnels{gauge: gauge, owners: map[string]int{}, open: map[*tunnel]struct{}{}, none: make(chan struct{})}
}

// reserve counts a WebSocket before its handshake.
func (ts *tunnels) reserve(owner string, limit int) (*tunnel, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.draining {
		return nil, caption.Errorf(caption.KindUnavailable, "This server is shutting down: connect again.").WithCode("draining")
	}
	if ts.owners[owner] >= limit {
		return nil, tooManyStreams()
	}
	t := &tunnel{all: ts, owner: owner}
	ts.owners[owner]++
	ts.open[t] = struct{}{}
	ts.gauge.Inc()
	return t, nil
}

func (ts *tunnels) forget(t *tunnel) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	delete(ts.open, t)
	if ts.owners[t.owner]--; ts.owners[t.owner] == 0 {
		delete(ts.owners, t.owner)
	}
	ts.gauge.Dec()
	if ts.draining && len(ts.open) == 0 {
		close(ts.none)
	}
}

func (ts *tunnels) drain(ctx context.Context) error {
	ts.mu.Lock()
	if !ts.draining {
		ts.draining = true
		if len(ts.open) == 0 {
			close(ts.none)
		}
	}
	ts.mu.Unlock()
	grace := time.NewTimer(drainGrace)
	defer grace.Stop()
	select {
	case <-ts.none:
		return nil
	case <-grace.C:
	case <-ctx.Done():
	}
	ts.mu.Lock()
	for t := range ts.open {
		t.close()
	}
	ts.mu.Unlock()
	select {
	case <-ts.none:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close WebSockets: %w", context.Cause(ctx))
	}
}

// tunnel copies bytes between the two sides of a WebSocket. It is made by reserve, before there are any sides.
type tunnel struct {
	all     *tunnels
	owner   string
	started bool

	mu               sync.Mutex
	client, upstream net.Conn
	closed           bool // no byte passes any more
	ending           bool // one direction has ended, the other one lingers

	idle   time.Duration
	active atomic.Int64 // when bytes were last seen, in Unix nanoseconds
	copies atomic.Int32 // directions that still run
}

// release gives the place up if the tunnel was never started.
func (t *tunnel) release() {
	if !t.started {
		t.all.forget(t)
	}
}

// start connects both sides until either ends. It takes the connections over and returns at once.
func (t *tunnel) start(client, upstream net.Conn, idle time.Duration) {
	t.started, t.idle = true, idle
	t.active.Store(time.Now().UnixNano())
	t.copies.Store(2)
	t.mu.Lock()
	t.client, t.upstream = client, upstream
	closed := t.closed
	t.mu.Unlock()
	if closed { // The gateway began to drain during the handshake.
		t.close()
	}
	go t.copy(upstream, client, bufferUp)
	go t.copy(client, upstream, bufferDown)
}

// close ends the tunnel at once.
func (t *tunnel) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.client != nil {
		_ = t.client.Close() // What is left in them does not matter any more.
		_ = t.upstream.Close()
	}
}

// copy sends on what src sends, until it ends.
func (t *tunnel) copy(dst, src net.Conn, buffer int) {
	if err := t.pump(dst, src, make([]byte, buffer)); err != nil || !t.end(dst) {
		t.close()
	}
	if t.copies.Add(-1) == 0 {
		t.close()
		t.all.forget(t)
	}
}

// end tells dst that nothing follows, and gives it a moment to end the other direction too. It returns false where
// there is no other direction left, or dst cannot be told.
func (t *tunnel) end(dst net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	half, ok := dst.(interface{ CloseWrite() error })
	if !ok || t.ending {
		return false
	}
	t.ending = true
	return half.CloseWrite() == nil && dst.SetReadDeadline(time.Now().Add(linger)) == nil
}

// pump copies by way of buf until the end of src, and returns nil then.
func (t *tunnel) pump(dst, src net.Conn, buf []byte) error {
	for {
		if err := t.expect(src); err != nil {
			return err
		}
		n, err := src.Read(buf)
		if n > 0 {
			now := time.Now()
			t.active.Store(now.UnixNano())
			if err := dst.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
				return fmt.Errorf("set deadline: %w", err)
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return fmt.Errorf("send on: %w", err)
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Since(time.Unix(0, t.active.Load())) < t.idle && !t.isEnding():
			// The other direction was busy meanwhile.
		default:
			return fmt.Errorf("receive: %w", err)
		}
	}
}

// expect sets how long src may be silent: until the tunnel as a whole was silent for too long.
func (t *tunnel) expect(src net.Conn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ending { // The deadline is that of lingering.
		return nil
	}
	if err := src.SetReadDeadline(time.Unix(0, t.active.Load()).Add(t.idle)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	return nil
}

func (t *tunnel) isEnding() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ending
}
