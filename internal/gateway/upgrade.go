package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
)

// handshakeTimeout bounds how long a service may take to accept a WebSocket.
const handshakeTimeout = 10 * time.Second

// readers is a pool, because each WebSocket needs a reader for its handshake only.
var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

func isWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && hasToken(r.Header, "Connection", "upgrade")
}

// hasToken tells whether a header that is a list contains a token.
func hasToken(h http.Header, name, token string) bool {
	for _, v := range h.Values(name) {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// upgrade passes a WebSocket handshake to the service, and then connects the two sides. It returns after the handshake, so that
// nothing of the request is held while the WebSocket is open.
func (e *endpoint) upgrade(w http.ResponseWriter, r *http.Request, owner string, limit int) error {
	slot, err := e.g.tunnels.reserve(owner, limit)
	if err != nil {
		return err
	}
	defer slot.release()

	ctx, cancel := context.WithTimeout(r.Context(), handshakeTimeout)
	defer cancel()
	upstream, err := e.g.dial(ctx, e.URL)
	if err != nil {
		e.g.upstreamErrors.WithLabelValues(e.Pattern).Inc()
		return upstreamError(err)
	}
	handedOver := false
	defer func() {
		if !handedOver {
			_ = upstream.Close() // Nothing was agreed; there is nothing to lose.
		}
	}()
	fromUpstream := readers.Get().(*bufio.Reader)
	fromUpstream.Reset(upstream)
	defer func() {
		fromUpstream.Reset(nil)
		readers.Put(fromUpstream)
	}()
	resp, err := e.handshake(ctx, r, upstream, fromUpstream)
	if err != nil {
		e.g.upstreamErrors.WithLabelValues(e.Pattern).Inc()
		return upstreamError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return refuse(w, resp)
	}

	client, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("take over connection for a WebSocket: %w", err)
	}
	if err := begin(client, rw.Reader, upstream, fromUpstream, resp, httpapi.RequestID(r.Context())); err != nil {
		_ = client.Close() // The client is gone.
		return nil         // There is nobody left to answer.
	}
	handedOver = true
	slot.start(client, upstream, e.g.d.StreamIdle)
	return nil
}

// dial connects to a service.
func (g *Gateway) dial(ctx context.Context, u *url.URL) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "https" {
		d := tls.Dialer{NetDialer: &g.dialer}
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("connect to service: %w", err)
		}
		return c, nil
	}
	c, err := g.dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to service: %w", err)
	}
	return c, nil
}

// handshake sends the request and reads the answer. What follows the answer may be in br already.
func (e *endpoint) handshake(ctx context.Context, in *http.Request, c net.Conn, br *bufio.Reader) (*http.Response, error) {
	// A deadline in the past ends reads and writes at once when ctx ends.
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	h := in.Header.Clone()
	dropHopByHop(h)
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	if h.Get("User-Agent") == "" {
		h.Set("User-Agent", "") // Else Go would put its own.
	}
	e.g.vouch(in, h)
	out := &http.Request{Method: http.MethodGet, URL: in.URL, Host: in.Host, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if err := out.Write(c); err != nil {
		return nil, fmt.Errorf("send handshake: %w", err)
	}
	resp, err := http.ReadResponse(br, out)
	if err != nil {
		return nil, fmt.Errorf("read handshake: %w", err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols && !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") {
		return nil, fmt.Errorf("service switched to the protocol %q", resp.Header.Get("Upgrade"))
	}
	return resp, nil
}

// refuse passes on the answer of a service that does not want the WebSocket.
func refuse(w http.ResponseWriter, resp *http.Response) error {
	dropHopByHop(resp.Header)
	resp.Header.Del("X-Request-Id")
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, _ = io.CopyN(w, resp.Body, DefaultBodyLimit) // Either side is gone when this fails; the status has been sent.
	return nil
}

// begin answers the client's handshake, and sends on what both sides have sent too early.
func begin(client net.Conn, fromClient *bufio.Reader, upstream net.Conn, fromUpstream *bufio.Reader, resp *http.Response, requestID string) error {
	deadline := time.Now().Add(handshakeTimeout)
	for _, c := range []net.Conn{client, upstream} {
		if err := c.SetDeadline(deadline); err != nil {
			return fmt.Errorf("set deadline: %w", err)
		}
	}
	h := resp.Header
	dropHopByHop(h)
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set("X-Request-Id", requestID)
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(&b) // A strings.Builder takes everything.
	b.WriteString("\r\n")
	early, _ := fromUpstream.Peek(fromUpstream.Buffered()) // As much as is buffered can always be had.
	b.Write(early)
	if _, err := io.WriteString(client, b.String()); err != nil {
		return fmt.Errorf("answer handshake: %w", err)
	}
	if early, _ = fromClient.Peek(fromClient.Buffered()); len(early) > 0 {
		if _, err := upstream.Write(early); err != nil {
			return fmt.Errorf("send on: %w", err)
		}
	}
	return nil
}

// dropHopByHop removes headers that are for the next hop only, and those that the Connection header declares to be.
func dropHopByHop(h http.Header) {
	for _, v := range h.Values("Connection") {
		for name := range strings.SplitSeq(v, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		h.Del(name)
	}
}

func tooManyStreams() error {
	e := caption.Errorf(caption.KindRateLimited, "Too many live connections are open: close some of them, or wait a moment.").WithCode("too_many_streams")
	e.RetryAfter = 10 * time.Second
	return e
}
