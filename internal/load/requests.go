package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"k8s-scalers/internal/httpapi"
)

// Request is what is asked of the server again and again.
type Request struct {
	Method, Path string
	Body         []byte // JSON; nil: none
}

// ParseRequest reads METHOD /PATH [BODY]; a path alone is a GET.
func ParseRequest(s string) (Request, error) {
	method, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	if strings.HasPrefix(method, "/") {
		method, rest = http.MethodGet, s
	}
	path, body, _ := strings.Cut(strings.TrimSpace(rest), " ")
	r := Request{Method: method, Path: path}
	if body = strings.TrimSpace(body); body != "" {
		r.Body = []byte(body)
	}
	u, err := url.ParseRequestURI(path)
	switch {
	case err != nil || !strings.HasPrefix(path, "/") || u.Host != "":
		return Request{}, invalid("%q is not a request; write for example \"GET /api/v1/captions\", or \"POST /api/v1/uploads {…}\".", s)
	case method != strings.ToUpper(method):
		return Request{}, invalid("%q is not a method; methods are written in capitals, such as GET.", method)
	case r.Body != nil && !json.Valid(r.Body):
		return Request{}, invalid("What follows %s %s is not JSON: %s", method, path, body)
	}
	return r, nil
}

// String is the request as it is written, without its body.
func (r Request) String() string { return r.Method + " " + r.Path }

// attack sends the requests. It returns when each has been answered or given up; ctx stops the sending, and work ends those in flight.
func attack(ctx, work context.Context, p Plan, tokens *tokens, r *recorder) {
	base := p.Users[0].Base
	pace := &pacer{ctx: ctx, curve: p.RequestCurve, sent: &r.requests.sent}
	var turn atomic.Uint64
	target := func(t *vegeta.Target) error {
		n := turn.Add(1) - 1
		q := p.Requests[n%uint64(len(p.Requests))]
		t.Method, t.URL, t.Body = q.Method, base+q.Path, q.Body
		t.Header = http.Header{"Authorization": {"Bearer " + tokens.of(n)}}
		if q.Body != nil {
			t.Header.Set("Content-Type", "application/json")
		}
		return nil
	}
	// The first kilobytes of a body say what went wrong; the rest is read and forgotten.
	a := vegeta.NewAttacker(vegeta.Client(&http.Client{Transport: bound{p.Users[0].HTTP, work, p.Timeout}}),
		vegeta.Redirects(vegeta.NoFollow), vegeta.MaxBody(4<<10))
	// The pacer ends the attack.
	for res := range a.Attack(target, pace, 0, "") {
		due, _ := p.RequestCurve.Due(res.Seq)
		latency := max(res.Latency, res.End().Sub(pace.began.Add(due)))
		name := res.Method + " " + strings.TrimPrefix(res.URL, base)
		switch {
		case res.Code == 0 && work.Err() != nil:
			r.requests.unfinished(name)
		case res.Error != "":
			r.requests.done(name, res.Code, latency, failure(res))
		default:
			r.requests.done(name, res.Code, latency, "")
		}
	}
	r.requests.stopped()
}

// failure says shortly what went wrong with a request.
func failure(res *vegeta.Result) string {
	if res.Code == 0 {
		if strings.Contains(res.Error, context.DeadlineExceeded.Error()) {
			return "no answer in time"
		}
		return lastPart(res.Error)
	}
	var p httpapi.Problem
	if json.Unmarshal(res.Body, &p) == nil && p.Code != "" {
		return fmt.Sprintf("%d %s", res.Code, p.Code)
	}
	return fmt.Sprintf("%d %s", res.Code, http.StatusText(int(res.Code)))
}

// pacer paces an attack by a curve. It waits itself, because the attacker's own waiting cannot be interrupted, and a rate
// of a few a minute would keep a user who stops it waiting as well.
type pacer struct {
	ctx   context.Context
	curve Curve
	began time.Time // set before the first request
	sent  *atomic.Uint64
}

var _ vegeta.Pacer = (*pacer)(nil)

// Pace implements [vegeta.Pacer].
func (p *pacer) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	if p.began.IsZero() {
		p.began = time.Now().Add(-elapsed)
	}
	due, more := p.curve.Due(hits)
	if !more || !wait(p.ctx, p.began.Add(due)) {
		return 0, true
	}
	p.sent.Add(1)
	return 0, false
}

// Rate implements [vegeta.Pacer].
func (p *pacer) Rate(elapsed time.Duration) float64 { return p.curve.RateAt(elapsed) }

// bound bounds each request, the reading of its answer included, by a context and a time.
type bound struct {
	client  *http.Client
	ctx     context.Context
	timeout time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(b.ctx, b.timeout)
	next := http.DefaultTransport
	if b.client != nil && b.client.Transport != nil {
		next = b.client.Transport
	}
	res, err := next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = boundBody{res.Body, cancel}
	return res, nil
}

type boundBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b boundBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
