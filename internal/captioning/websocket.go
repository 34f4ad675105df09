package captioning

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
)

// streams counts the open WebSockets. They outlive the requests that opened them, so that no server waits for them.
type streams struct {
	mu   sync.Mutex
	open int
	none chan struct{} // closed when none is open; nil while nobody waits
}

func (s *streams) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open += n; s.open == 0 && s.none != nil {
		close(s.none)
		s.none = nil
	}
}

// Drain waits until all WebSockets are closed, which begins when the server that they came through drains.
func (s *Service) Drain(ctx context.Context) error {
	s.streams.mu.Lock()
	if s.streams.open == 0 {
		s.streams.mu.Unlock()
		return nil
	}
	if s.streams.none == nil {
		s.streams.none = make(chan struct{})
	}
	none := s.streams.none
	s.streams.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close WebSockets: %w", context.Cause(ctx))
	}
}

// webSocket answers the handshake and goes on in a goroutine of its own. The request's goroutine ends, and with it the
// memory that net/http keeps for a request, which thousands of quiet subscribers do not need.
func (s *Service) webSocket(w http.ResponseWriter, r *http.Request, jobID string) {
	// No cookie authenticates this request, only a ticket or a header that another site's page cannot have, so the origin
	// tells nothing; behind the gateway it would not equal this service's own host either.
	c, err := websocket.Accept(lean{w}, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		s.Logger.DebugContext(r.Context(), "websocket refused", "error", err)
		return // Accept has answered.
	}
	s.streams.add(1)
	s.subscribers.Inc()
	ctx, drain := context.WithoutCancel(r.Context()), httpapi.Drain(r.Context())
	go func() {
		defer s.streams.add(-1)
		defer s.subscribers.Dec()
		s.stream(ctx, drain, c, jobID)
	}()
}

// stream sends the job's changes until the job ends, the client goes, or the server drains.
func (s *Service) stream(ctx, drain context.Context, c *websocket.Conn, jobID string) {
	defer func() { _ = c.CloseNow() }()                 // An error here means that it is closed already.
	ctx, cancel := context.WithCancel(c.CloseRead(ctx)) // ends when the client goes
	defer cancel()
	defer context.AfterFunc(drain, cancel)()
	bounded := func(f func(context.Context) error) error {
		wctx, done := context.WithTimeout(ctx, writeTimeout)
		defer done()
		return f(wctx)
	}
	err := s.follow(ctx, jobID, sink{
		send: func(_ int64, msg []byte) error {
			return bounded(func(ctx context.Context) error { return c.Write(ctx, websocket.MessageText, msg) })
		},
		alive: func() error { return bounded(c.Ping) },
	})
	switch {
	case err == nil:
		_ = c.Close(websocket.StatusNormalClosure, "the job has ended")
	case drain.Err() != nil: // the client reconnects elsewhere
		_ = c.Close(websocket.StatusGoingAway, "the service restarts")
	case caption.KindOf(err) == caption.KindNotFound:
		_ = c.Close(websocket.StatusNormalClosure, "the job was deleted")
	case ctx.Err() == nil:
		s.Logger.WarnContext(ctx, "event stream broke", "job_id", jobID, "error", err)
		_ = c.Close(websocket.StatusTryAgainLater, "try again")
	}
}

// lean gives a WebSocket small buffers in place of the 8 KB of net/http: clients send next to nothing, and messages that do
// not fit are written past the buffer.
type lean struct{ http.ResponseWriter }

// Hijack implements [http.Hijacker].
func (l lean) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(l.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over connection: %w", err)
	}
	if rw.Reader.Buffered() > 0 { // What the client has sent early must not be lost.
		return c, rw, nil
	}
	return c, bufio.NewReadWriter(bufio.NewReaderSize(c, 256), bufio.NewWriterSize(c, 256)), nil
}
