package gateway_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/gateway"
	"k8s-scalers/internal/httpapi"
)

// echoSocket answers each message with itself. It greets in the same packet as its handshake, as a snapshot does.
func echoSocket(t *testing.T, seen chan<- *http.Request) http.Handler {
	t.Helper()
	return httpapi.Handler(func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.Query().Get("ticket") == "used" {
			return caption.Errorf(caption.KindUnauthenticated, "The ticket was used.").WithCode("bad_ticket")
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"captions"}})
		if err != nil {
			return nil // Accept has answered.
		}
		defer func() { _ = c.CloseNow() }()
		c.SetReadLimit(-1)
		if seen != nil {
			seen <- r
		}
		if err := c.Write(r.Context(), websocket.MessageText, []byte("hello")); err != nil {
			return nil
		}
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil {
				return nil
			}
			if string(b) == "leave" {
				_ = c.Close(websocket.StatusGoingAway, "the service restarts")
				return nil
			}
			if err := c.Write(r.Context(), kind, b); err != nil {
				return nil
			}
		}
	})
}

func streamRoutes(u *url.URL) []gateway.Route {
	return []gateway.Route{{Pattern: "/api/v1/captions/{id}/events", URL: u, Ticket: true, Stream: true}, {Pattern: "/plain", URL: u, Public: true}}
}

func (p *platform) dial(header ...string) (*websocket.Conn, *http.Response, error) {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	return websocket.Dial(ctx, "ws://"+p.addr+"/api/v1/captions/abc/events?"+h.Get("Query"), //nolint:wrapcheck // for the test to look at
		&websocket.DialOptions{HTTPHeader: h, HTTPClient: p.client, Subprotocols: []string{"captions"}})
}

func (p *platform) mustDial(header ...string) *websocket.Conn {
	p.t.Helper()
	c, _, err := p.dial(header...) //nolint:bodyclose // There is none after an upgrade.
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(-1)
	require.Equal(p.t, "hello", read(p.t, c))
	return c
}

func read(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_, b, err := c.Read(t.Context())
	require.NoError(t, err)
	return string(b)
}

func TestWebSocket(t *testing.T) {
	seen := make(chan *http.Request, 9)
	reg := prometheus.NewPedanticRegistry()
	p := start(t, gateway.Deps{Routes: streamRoutes(upstream(t, echoSocket(t, seen))), Registerer: reg})
	c := p.mustDial("Query", "ticket=t", "Origin", "http://"+p.addr, "X-Forwarded-For", "203.0.113.9", "X-Request-Id", "forged-request-id")
	r := <-seen
	require.Equal(t, "http://"+p.addr, r.Header.Get("Origin"))
	require.Equal(t, p.addr, r.Host)
	require.Equal(t, "ticket=t", r.URL.RawQuery)
	require.Equal(t, "127.0.0.1", r.Header.Get("X-Forwarded-For"))
	require.NotEqual(t, "forged-request-id", r.Header.Get("X-Request-Id"))
	require.Equal(t, "captions", c.Subprotocol())
	require.InDelta(t, 1, gauge(t, reg, "captions_gateway_websockets"), 0)

	for _, size := range []int{0, 1, 125, 126, 1 << 10, 1<<16 + 1, 3 << 20} {
		message := strings.Repeat("x", size)
		require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte(message)))
		require.Equal(t, message, read(t, c))
	}
	require.NoError(t, c.Close(websocket.StatusNormalClosure, "done"), "the closing handshake passes")

	c = p.mustDial("Authorization", "Bearer alice")
	require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte("leave")))
	_, _, err := c.Read(t.Context())
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err), "so does the service's reason")
}

func gauge(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	require.Fail(t, "no such metric", name)
	return 0
}

func TestWebSocketsThatAreRefused(t *testing.T) {
	p := start(t, gateway.Deps{Routes: streamRoutes(upstream(t, echoSocket(t, nil))), StreamsPerUser: 2, StreamsPerAddress: 1})
	refused := func(status int, header ...string) {
		t.Helper()
		_, resp, err := p.dial(header...)
		require.Error(t, err)
		require.Equal(t, status, resp.StatusCode)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		require.NoError(t, resp.Body.Close())
	}
	refused(401)
	refused(401, "Authorization", "Bearer mallory")
	refused(401, "Query", "ticket=used")

	first := p.mustDial("Authorization", "Bearer alice")
	p.mustDial("Authorization", "Bearer alice")
	refused(429, "Authorization", "Bearer alice")
	p.mustDial("Authorization", "Bearer bob")
	p.mustDial("Query", "ticket=t")
	refused(429, "Query", "ticket=t")

	require.NoError(t, first.Close(websocket.StatusNormalClosure, ""))
	require.Eventually(t, func() bool { // The place is free as soon as both sides are closed.
		c, resp, err := p.dial("Authorization", "Bearer alice")
		if err != nil {
			_ = resp.Body.Close()
			return false
		}
		return c.CloseNow() == nil
	}, 10*time.Second, 10*time.Millisecond)

	// Routes without streams do not upgrade.
	a := p.do("GET", "/plain", nil, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	require.Equal(t, http.StatusUpgradeRequired, a.status)
}

// A client may send its first frames together with the handshake; they must not be lost in a buffer.
func TestBytesSentTooEarly(t *testing.T) {
	raw := upstream(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly answer;")
		early := make([]byte, len("early question"))
		_, _ = io.ReadFull(rw, early)
		_, _ = c.Write(early)
	}))
	p := start(t, gateway.Deps{Routes: streamRoutes(raw)})
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.addr)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	_, err = io.WriteString(c, "GET /api/v1/captions/abc/events?ticket=t HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly question")
	require.NoError(t, err)
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 101, resp.StatusCode)
	rest, err := io.ReadAll(br)
	require.NoError(t, err)
	require.Equal(t, "early answer;early question", string(rest))
}

func TestOneSideGoes(t *testing.T) {
	gone := make(chan error, 1)
	u := upstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		_ = c.Write(r.Context(), websocket.MessageText, []byte("hello"))
		_, _, err = c.Read(r.Context())
		gone <- err
	}))
	p := start(t, gateway.Deps{Routes: streamRoutes(u)})
	c := p.mustDial("Query", "ticket=t")
	require.NoError(t, c.CloseNow())
	require.Error(t, <-gone, "the service learns that its client is gone")

	// A silent WebSocket ends.
	p = start(t, gateway.Deps{Routes: streamRoutes(upstream(t, echoSocket(t, nil))), StreamIdle: 100 * time.Millisecond})
	c = p.mustDial("Query", "ticket=t")
	_, _, err := c.Read(t.Context())
	require.Error(t, err)
}

func TestDrainEndsWebSockets(t *testing.T) {
	p := start(t, gateway.Deps{Routes: streamRoutes(upstream(t, echoSocket(t, nil)))})
	c := p.mustDial("Query", "ticket=t")
	leaves := p.mustDial("Query", "ticket=t")
	drained := make(chan error, 1)
	go func() { drained <- p.gateway.Drain(t.Context()) }()
	// During the grace time services may still say good-bye.
	require.NoError(t, leaves.Write(t.Context(), websocket.MessageText, []byte("leave")))
	_, _, err := leaves.Read(t.Context())
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
	_, _, err = c.Read(t.Context())
	require.Error(t, err)
	require.NoError(t, <-drained)

	_, resp, err := p.dial("Query", "ticket=t")
	require.Error(t, err)
	require.Equal(t, 503, resp.StatusCode)
	require.NoError(t, resp.Body.Close())

	// Without time there is no grace.
	p = start(t, gateway.Deps{Routes: streamRoutes(upstream(t, echoSocket(t, nil)))})
	c = p.mustDial("Query", "ticket=t")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = p.gateway.Drain(ctx) // whether it sees the end in time is up to the scheduler
	_, _, err = c.Read(t.Context())
	require.Error(t, err)
}

func TestEventStreamIsNotHeldBack(t *testing.T) {
	next := make(chan string)
	u := upstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case s := <-next:
				_, _ = io.WriteString(w, s)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	g, err := gateway.New(gateway.Deps{Routes: streamRoutes(u), Verifier: verifier{}})
	require.NoError(t, err)
	defer func() { require.NoError(t, g.Close()) }()
	drain, startDrain := context.WithCancel(t.Context())
	defer startDrain()
	front := upstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.Handler().ServeHTTP(w, r.WithContext(httpapi.WithDrain(r.Context(), drain)))
	}))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.String()+"/api/v1/captions/abc/events?ticket=t", nil)
	require.NoError(t, err)
	go func() { next <- "data: 0\n\n" }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	br := bufio.NewReader(resp.Body)
	for i := range 3 {
		line, err := br.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "data: "+string(rune('0'+i))+"\n", line)
		_, err = br.ReadString('\n')
		require.NoError(t, err)
		if i < 2 {
			next <- "data: " + string(rune('1'+i)) + "\n\n" // only after the one before was seen
		}
	}
	startDrain()
	_, err = br.ReadString('\n')
	require.Error(t, err, "the stream ends when the gateway drains")
}
