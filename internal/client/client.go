// Package client speaks the platform's HTTP API for the command line and for tests: signing in, uploading with resume,
// asking for captions, following a job, and fetching results.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/captioning"
	"k8s-scalers/internal/httpapi"
)

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	// Base is the server's address, for example http://localhost:8080.
	Base string
	// HTTP makes the requests; nil means one that waits for the beginning of an answer for two minutes, which is longer than the
	// gateway does.
	HTTP *http.Client
	// Stall is how long the sending of a part may stand still before it begins anew; 0 means a minute.
	Stall time.Duration
	// Sessions keeps the tokens.
	Sessions Sessions
}

var patient = func() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 2 * time.Minute
	return &http.Client{Transport: t}
}()

// ParseBase checks a server's address.
func ParseBase(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || (u.Path != "" && u.Path != "/") {
		return "", caption.Errorf(caption.KindInvalid, "%q is not the address of a server; use one such as http://localhost:8080.", s)
	}
	return u.Scheme + "://" + u.Host, nil
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return patient
}

// request is one call of the API.
type request struct {
	method, path string
	header       http.Header
	body         any // rendered as JSON; nil: no body
	anonymous    bool
}

// do makes a call and decodes the answer into out, which may be nil, a pointer, or an io.Writer for the raw body.
// It signs in again by the refresh token when the access token has expired.
func (c *Client) do(ctx context.Context, q request, out any) error {
	var token string
	if !q.anonymous {
		var err error
		if token, err = c.token(ctx, ""); err != nil {
			return err
		}
	}
	err := c.once(ctx, q, token, out)
	if !q.anonymous && caption.KindOf(err) == caption.KindUnauthenticated && err != nil {
		if token, err = c.token(ctx, token); err != nil {
			return err
		}
		err = c.once(ctx, q, token, out)
	}
	return err
}

func (c *Client) once(ctx context.Context, q request, token string, out any) error {
	var body io.Reader
	if q.body != nil {
		b, err := json.Marshal(q.body)
		if err != nil {
			return fmt.Errorf("render request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, c.Base+q.path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	maps.Copy(r.Header, q.header)
	if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.http().Do(r)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer func() { _ = res.Body.Close() }() // It was only read.
	if res.StatusCode >= 300 {
		return problem(res)
	}
	switch out := out.(type) {
	case nil:
	case io.Writer:
		_, err = io.Copy(out, res.Body)
	default:
		err = json.NewDecoder(res.Body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("read the answer of %s %s: %w", q.method, q.path, err)
	}
	return nil
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	return caption.Errorf(caption.KindUnavailable, "%s cannot be reached (%s). Is the server running? Start one with: captions serve", c.Base, err).WithCode("unreachable")
}

// problem turns an error response into an error.
func problem(res *http.Response) error {
	var p httpapi.Problem
	b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // What could be read is enough to say something.
	if json.Unmarshal(b, &p) != nil || p.Detail == "" {
		p.Detail = fmt.Sprintf("The server answered %s.", res.Status)
	}
	e := &caption.Error{Kind: caption.KindInternal, Code: p.Code, Message: p.Detail}
	for _, k := range []caption.Kind{caption.KindInvalid, caption.KindUnauthenticated, caption.KindForbidden, caption.KindNotFound,
		caption.KindConflict, caption.KindPrecondition, caption.KindTooLarge, caption.KindRateLimited, caption.KindUnavailable} {
		if httpapi.Status(k) == res.StatusCode {
			e.Kind = k
		}
	}
	if s, err := time.ParseDuration(res.Header.Get("Retry-After") + "s"); err == nil {
		e.RetryAfter = s
	}
	return e
}

// Caption asks for captions of an upload. The same key again returns the same job.
func (c *Client) Caption(ctx context.Context, uploadID, key string, o caption.Options) (captioning.JobView, error) {
	body := struct {
		UploadID string `json:"upload_id"`
		caption.Options
	}{uploadID, o}
	var j captioning.JobView
	err := c.do(ctx, request{method: "POST", path: "/api/v1/captions", body: body, header: http.Header{"Idempotency-Key": {key}}}, &j)
	return j, err
}

// Job returns one job.
func (c *Client) Job(ctx context.Context, id string) (captioning.JobView, error) {
	var j captioning.JobView
	err := c.do(ctx, request{method: "GET", path: "/api/v1/captions/" + url.PathEscape(id)}, &j)
	return j, err
}

// DeleteJob deletes a job with its captions; one that is not finished is cancelled first.
func (c *Client) DeleteJob(ctx context.Context, id string) error {
	return c.do(ctx, request{method: "DELETE", path: "/api/v1/captions/" + url.PathEscape(id)}, nil)
}

// JobPage is one page of jobs.
type JobPage struct {
	Captions []struct {
		captioning.JobView
		Hits []caption.Hit `json:"hits"`
	} `json:"captions"`
	NextCursor *string `json:"next_cursor"`
}

// Jobs returns a page of the user's jobs; text and cursor may be empty.
func (c *Client) Jobs(ctx context.Context, text, cursor string, limit int) (JobPage, error) {
	q := url.Values{"limit": {fmt.Sprint(limit)}}
	if text != "" {
		q.Set("q", text)
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	var p JobPage
	err := c.do(ctx, request{method: "GET", path: "/api/v1/captions?" + q.Encode()}, &p)
	return p, err
}

// Result writes a job's captions in a format to w.
func (c *Client) Result(ctx context.Context, id, format string, speakers bool, w io.Writer) error {
	q := url.Values{"format": {format}}
	if speakers {
		q.Set("speakers", "true")
	}
	return c.do(ctx, request{method: "GET", path: "/api/v1/result/" + url.PathEscape(id) + "?" + q.Encode()}, w)
}

// webSocketBase is Base for WebSockets.
func (c *Client) webSocketBase() string { return "ws" + strings.TrimPrefix(c.Base, "http") }
