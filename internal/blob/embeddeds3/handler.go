package embeddeds3

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
)

// Handler serves S3 to clients of another HTTP server in this process, such as the gateway's. It calls versitygw directly, so that a
// body goes from the client's connection to the file with nothing in between: a proxy would copy it twice more, which
// takes a quarter of the throughput on a small machine. Requests pass as they are; the host that the client asked for is
// part of their signature.
func (s *Server) Handler() http.Handler {
	return httpapi.Handler(func(w http.ResponseWriter, r *http.Request) error {
		select {
		case <-s.ready:
		case <-s.ended:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // The client is gone; there is nobody to tell.
		}
		if !s.flights.begin() {
			e := caption.Errorf(caption.KindUnavailable, "The storage is about to stop. Try again in a few seconds.").WithCode("storage_unavailable")
			e.RetryAfter = 2 * time.Second
			return e
		}
		defer s.flights.end()
		s.serve(w, r)
		return nil
	})
}

// serve is one request: net/http on this side, fasthttp on that of versitygw.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	ctx := &fasthttp.RequestCtx{}
	ctx.Init2(&conn{control: http.NewResponseController(w), remote: r.RemoteAddr}, quiet{}, true)
	fillRequest(&ctx.Request, r)
	(*s.handle.Load())(ctx)
	copyResponse(w, r, &ctx.Response)
}

// fillRequest copies a request without its body, which is read as versitygw asks for it.
func fillRequest(out *fasthttp.Request, in *http.Request) {
	for name, values := range in.Header {
		for _, v := range values {
			out.Header.Add(name, v)
		}
	}
	out.Header.SetMethod(in.Method)
	out.Header.SetProtocol("HTTP/1.1")
	out.Header.SetHost(in.Host)
	out.SetRequestURI(in.URL.RequestURI())
	if in.ContentLength != 0 {
		out.SetBodyStream(in.Body, int(in.ContentLength)) // -1, as there: chunked
	}
}

// copyResponse copies a response. Where its body breaks off the connection is closed, so that the client can tell.
func copyResponse(w http.ResponseWriter, r *http.Request, resp *fasthttp.Response) {
	defer func() { _ = resp.CloseBodyStream() }() // It was only read.
	h := w.Header()
	for name, value := range resp.Header.All() {
		switch n := string(name); n {
		case "Transfer-Encoding", "Trailer", "Date":
		default:
			h.Add(n, string(value))
		}
	}
	status := resp.StatusCode()
	bodyless := r.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified || status < http.StatusOK
	stream := resp.BodyStream()
	var body []byte
	if stream == nil && !bodyless {
		body = resp.Body()
		h.Del("Content-Length") // net/http knows it better, for here it may not be set.
	}
	w.WriteHeader(status)
	if bodyless {
		return
	}
	if stream == nil {
		_, _ = w.Write(body) // The client is gone when this fails.
		return
	}
	size := resp.Header.ContentLength()
	if size < 0 {
		if _, err := io.Copy(w, stream); err != nil {
			panic(http.ErrAbortHandler)
		}
	} else if _, err := io.CopyN(w, stream, int64(size)); err != nil { // of a file: in the kernel
		panic(http.ErrAbortHandler)
	}
}

// conn is what versitygw sees of the client's connection. It asks for addresses, and limits how long the rest of a body
// may take that it does not want.
type conn struct {
	net.Conn // nil: nothing else is asked for

	control *http.ResponseController
	remote  string
}

func (c *conn) RemoteAddr() net.Addr {
	a, err := netip.ParseAddrPort(c.remote)
	if err != nil { // as on a Unix socket
		return &net.TCPAddr{IP: net.IPv4zero}
	}
	return net.TCPAddrFromAddrPort(a)
}

func (c *conn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

func (c *conn) SetReadDeadline(t time.Time) error { return c.control.SetReadDeadline(t) } //nolint:wrapcheck // The contract of net.Conn.

// quiet is a logger of fasthttp: what it has to say is in the responses too.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
