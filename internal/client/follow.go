package client

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/captioning"
)

// Follow calls on for the job's snapshot and each later change, in order, until the job has ended, and returns its last
// state. It reconnects when the connection breaks or the server restarts.
func (c *Client) Follow(ctx context.Context, id string, on func(captioning.Message)) (captioning.JobView, error) {
	var last captioning.JobView
	for try := 0; ; try++ {
		seq := last.Seq
		err := c.followOnce(ctx, id, func(m captioning.Message) {
			if m.Job.Seq > last.Seq {
				last = m.Job
				on(m)
			}
		})
		if last.State.Ended() || ctx.Err() != nil {
			return last, ctx.Err()
		}
		switch caption.KindOf(err) {
		case caption.KindNotFound, caption.KindUnauthenticated, caption.KindForbidden:
			return last, err
		}
		if last.Seq > seq {
			try = 0
		}
		if try >= 20 {
			return last, fmt.Errorf("the job's progress cannot be followed: %w", err)
		}
		wait := min(100*time.Millisecond<<min(try, 6), 5*time.Second)
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

func (c *Client) followOnce(ctx context.Context, id string, on func(captioning.Message)) error {
	var t struct {
		Ticket string `json:"ticket"`
	}
	path := "/api/v1/captions/" + url.PathEscape(id) + "/events"
	if err := c.do(ctx, request{method: http.MethodPost, path: path + "/ticket", body: struct{}{}}, &t); err != nil {
		return err
	}
	ws, res, err := websocket.Dial(ctx, c.webSocketBase()+path+"?ticket="+url.QueryEscape(t.Ticket), &websocket.DialOptions{HTTPClient: c.HTTP})
	if err != nil {
		if res != nil && res.Body != nil {
			defer func() { _ = res.Body.Close() }() // It was only read.
			if res.StatusCode >= 400 {
				return problem(res)
			}
		}
		return c.unreachable(ctx, err)
	}
	defer func() { _ = ws.CloseNow() }() // An error here means that it is closed already.
	ws.SetReadLimit(32 << 20)            // a snapshot holds all captions so far
	for {
		_, b, err := ws.Read(ctx)
		if err != nil {
			return caption.Errorf(caption.KindUnavailable, "The connection to the server broke.").WithCause(err)
		}
		var m captioning.Message
		if err := json.Unmarshal(b, &m); err != nil {
			return fmt.Errorf("read event: %w", err)
		}
		on(m)
		if m.Job.State.Ended() {
			return nil
		}
	}
}
