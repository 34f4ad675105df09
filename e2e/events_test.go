package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/coder/websocket"
)

// message is what an event stream carries.
type message struct {
	Type     string `json:"type"`
	Job      job    `json:"job"`
	Segments []struct {
		Index int   `json:"index"`
		Cues  []cue `json:"cues"`
	} `json:"segments"`
}

// follower checks one event stream, message by message.
type follower struct {
	contract *contract
	messages []message
	segments map[int]bool
}

func (f *follower) add(b []byte) error {
	if err := f.contract.checkMessage(b); err != nil {
		return err
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	first := len(f.messages) == 0
	if first != (m.Type == "snapshot") {
		return fmt.Errorf("message %d is of type %s", len(f.messages), m.Type)
	}
	if !first && m.Job.Seq <= f.last().Seq {
		return fmt.Errorf("seq %d follows %d", m.Job.Seq, f.last().Seq)
	}
	if f.segments == nil {
		f.segments = map[int]bool{}
	}
	for _, s := range m.Segments {
		if f.segments[s.Index] {
			return fmt.Errorf("segment %d came twice", s.Index)
		}
		f.segments[s.Index] = true
	}
	// No gaps: what is done was sent. Only the captions of a processed job come as its transcript instead. More than what is
	// counted may be here, where a segment was finished while the snapshot was made.
	if len(f.segments) < m.Job.SegmentsDone && m.Job.State != "processed" {
		return fmt.Errorf("%d segments are done, but %d were sent", m.Job.SegmentsDone, len(f.segments))
	}
	f.messages = append(f.messages, m)
	return nil
}

func (f *follower) last() job { return f.messages[len(f.messages)-1].Job }

// byWebSocket follows a job to its end, or until the server restarts; it returns the status with which the server closed.
func (f *follower) byWebSocket(ctx context.Context, u *user, jobID, ticket string) (websocket.StatusCode, error) {
	c, res, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(u.base, "http")+"/api/v1/captions/"+jobID+"/events?ticket="+ticket,
		&websocket.DialOptions{HTTPClient: u.http, HTTPHeader: http.Header{"X-Forwarded-For": {u.addr}}})
	if res != nil && res.Body != nil {
		defer func() { _ = res.Body.Close() }() // It was only read.
	}
	if err != nil {
		if res != nil {
			return 0, fmt.Errorf("the WebSocket was refused with %s: %w", res.Status, err)
		}
		return 0, err
	}
	defer func() { _ = c.CloseNow() }() // An error here means that it is closed already.
	c.SetReadLimit(32 << 20)
	for {
		kind, b, err := c.Read(ctx)
		if err != nil {
			if status := websocket.CloseStatus(err); status >= 0 {
				return status, nil
			}
			return 0, err
		}
		if kind != websocket.MessageText {
			return 0, fmt.Errorf("a message of type %s", kind)
		}
		if err := f.add(b); err != nil {
			return 0, err
		}
	}
}

// bySSE follows a job to its end; it returns whether the server said that it was the end.
func (f *follower) bySSE(ctx context.Context, u *user, jobID string, opts ...option) (ended bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.base+"/api/v1/captions/"+jobID+"/events", nil)
	if err != nil {
		return false, err
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("X-Forwarded-For", u.addr)
	r.Header.Set("Authorization", "Bearer "+u.session.AccessToken)
	for _, o := range opts {
		o(r)
	}
	res, err := u.http.Do(r)
	if err != nil {
		return false, err
	}
	defer func() { _ = res.Body.Close() }() // It was only read.
	if res.StatusCode != http.StatusOK {
		return false, fmt.Errorf("the stream was refused with %s", res.Status)
	}
	var id, event string
	var data []byte
	in := bufio.NewReader(res.Body)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return ended, nil
		}
		if err != nil {
			return ended, err
		}
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case len(line) > 0 && name == "id":
			id = value
		case len(line) > 0 && name == "event":
			event = value
		case len(line) > 0 && name == "data":
			data = append(data, value...)
		case len(line) == 0 && event == "end":
			ended, event, data = true, "", nil
		case len(line) == 0 && len(data) > 0:
			if err := f.add(data); err != nil {
				return ended, err
			}
			if id != strconv.FormatInt(f.last().Seq, 10) {
				return ended, fmt.Errorf("the event of seq %d has the id %q", f.last().Seq, id)
			}
			event, data = "", nil
		}
	}
}
