package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/captioning"
)

// crowd is how many users subscribe how often, each to a job of their own.
type crowd struct {
	users       int
	subscribers int // of each user, which is the most that the gateway allows
	watch       time.Duration
}

// measureSubscribers runs the same jobs twice on fresh servers over copies of the same data: first with nobody watching,
// then with every job watched by many WebSockets through the gateway. The difference of the peaks of resident memory is
// what the subscribers cost. An event's delay counts from when the job's new state was stored (its updated_at) to when
// a subscriber has received it; the first message of each subscriber is the snapshot and does not count. Workers, server
// and subscribers share the cores meanwhile.
func measureSubscribers(ctx context.Context, l *lab) ([]row, error) {
	c := crowd{users: 40, subscribers: 50, watch: 75 * time.Second}
	if l.quick {
		c = crowd{users: 8, subscribers: 50, watch: 20 * time.Second}
	}
	users, uploads, err := l.prepareJobs(ctx, c)
	if err != nil {
		return nil, err
	}
	alone, _, err := l.watchJobs(ctx, "alone", users, uploads, crowd{users: c.users, watch: c.watch})
	if err != nil {
		return nil, err
	}
	watched, delays, err := l.watchJobs(ctx, "watched", users, uploads, c)
	if err != nil {
		return nil, err
	}
	if len(delays) == 0 {
		return nil, errors.New("no event was delivered; that is no measurement")
	}
	n := c.users * c.subscribers
	p50, p99 := quantile(delays, 0.50), quantile(delays, 0.99)
	each := float64(watched-alone) / float64(n) / 1e3
	l.logf("%d deliveries: median %s, p99 %s, longest %s; memory %s alone, %s watched", len(delays), p50, p99, slices.Max(delays), megabytes(alone), megabytes(watched))
	what := fmt.Sprintf("%d subscribers of %d jobs in progress", n, c.users)
	return []row{
		{what + fmt.Sprintf(": delay of %d events", len(delays)), "–", "p99 ≤ 100 ms",
			fmt.Sprintf("p99 %.0f ms, median %.0f ms", p99.Seconds()*1e3, p50.Seconds()*1e3), verdictOf(p99 <= 100*time.Millisecond)},
		{what + ": memory of each", "the same jobs unwatched: " + megabytes(alone), "≤ 40 KB", fmt.Sprintf("%.0f KB", each), verdictOf(each <= 40)},
	}, nil
}

// dataFolder is where the prepared data is.
func (l *lab) dataFolder() string { return filepath.Join(l.dir, "jobs-data") }

// prepareJobs signs users up, each with an uploaded video. It has a server of its own, because hashing passwords takes
// memory that would hide what subscribers take.
func (l *lab) prepareJobs(ctx context.Context, c crowd) (users []*user, uploads []string, err error) {
	t, err := l.talk(ctx, 2*time.Minute)
	if err != nil {
		return nil, nil, err
	}
	video, err := l.videoOf(ctx, "short.mp4", t)
	if err != nil {
		return nil, nil, err
	}
	s, err := l.serve(ctx, l.dataFolder())
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for n := range c.users {
		u, err := signUp(ctx, s.base, n)
		if err != nil {
			return nil, nil, err
		}
		up, err := u.api.Upload(ctx, video, nil)
		if err != nil {
			return nil, nil, fmt.Errorf("upload: %w", err)
		}
		users, uploads = append(users, u), append(uploads, up.ID)
	}
	return users, uploads, nil
}

// watchJobs starts a job of each user on a fresh server, subscribes, and returns the server's peak of resident memory
// and the delays of all events during the time to watch.
func (l *lab) watchJobs(ctx context.Context, name string, users []*user, uploads []string, c crowd) (peak int64, delays []time.Duration, err error) {
	data := filepath.Join(l.dir, name)
	// The object store keeps what it knows in extended attributes, which a copy of the archive kind preserves.
	if _, err := output(exec.CommandContext(ctx, "cp", "-a", l.dataFolder(), data)); err != nil {
		return 0, nil, err
	}
	s, err := l.serve(ctx, data)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()

	jobs := make([]string, len(users))
	for i, u := range users {
		users[i] = u.at(s)
		j, err := users[i].api.Caption(ctx, uploads[i], caption.NewID(), caption.Options{})
		if err != nil {
			return 0, nil, fmt.Errorf("ask for captions: %w", err)
		}
		jobs[i] = j.ID
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	var mu sync.Mutex
	var broken []error
	var gone sync.WaitGroup
	var connecting errgroup.Group
	connecting.SetLimit(16)
	for i, u := range users {
		for range c.subscribers {
			connecting.Go(func() error {
				ws, err := u.subscribe(ctx, jobs[i])
				if err != nil {
					return err
				}
				gone.Go(func() {
					h, err := listen(watching, ws)
					mu.Lock()
					defer mu.Unlock()
					if delays = append(delays, sinceStored(h.updates)...); err != nil {
						broken = append(broken, err)
					}
				})
				return nil
			})
		}
	}
	err = connecting.Wait()
	if err == nil {
		l.logf("%s: %d jobs, %d subscribers", name, len(jobs), c.users*c.subscribers)
		select {
		case <-ctx.Done():
		case <-time.After(c.watch):
		}
		peak, err = memory(s.cmd.Process.Pid, "VmHWM")
	}
	stopWatching()
	gone.Wait()
	if err == nil && len(broken) > 0 {
		err = fmt.Errorf("%d subscribers were cut off, the first one because: %w", len(broken), broken[0])
	}
	return peak, delays, err
}

// subscribe opens a WebSocket for a job's events.
func (u *user) subscribe(ctx context.Context, jobID string) (*websocket.Conn, error) {
	ws, res, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(u.api.Base, "http")+"/api/v1/captions/"+jobID+"/events",
		&websocket.DialOptions{HTTPClient: u.api.HTTP, HTTPHeader: http.Header{"Authorization": {"Bearer " + u.session.token()}}})
	if err != nil {
		if res != nil && res.Body != nil {
			_ = res.Body.Close() // The status says enough.
			err = fmt.Errorf("%s: %w", res.Status, err)
		}
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	ws.SetReadLimit(1 << 20)
	return ws, nil
}

// heard is what a subscriber was told of a job.
type heard struct {
	updates  []update
	segments int // how many were sent, repetitions included
	last     captioning.JobView
}

// update is a state of a job as a subscriber received it.
type update struct {
	state    moment
	stored   time.Time // the job's updated_at, which is set just before it is stored
	received time.Time
}

// moment names a state of a job.
type moment struct {
	job string
	seq int64
}

// sinceStored are the delays of updates from when they were stored.
func sinceStored(updates []update) (delays []time.Duration) {
	for _, u := range updates {
		delays = append(delays, u.received.Sub(u.stored))
	}
	return delays
}

// listen receives events until ctx ends or the job does. Being cut off before is an error.
func listen(ctx context.Context, ws *websocket.Conn) (h heard, err error) {
	defer func() { _ = ws.CloseNow() }() // An error here means that it is closed already.
	for {
		_, b, err := ws.Read(ctx)
		received := time.Now()
		if ctx.Err() != nil || websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			return h, nil
		}
		var m captioning.Message
		if err == nil {
			err = json.Unmarshal(b, &m)
		}
		if err != nil {
			return h, fmt.Errorf("read event: %w", err)
		}
		h.segments, h.last = h.segments+len(m.Segments), m.Job
		if m.Type == "update" {
			h.updates = append(h.updates, update{moment{m.Job.ID, m.Job.Seq}, m.Job.UpdatedAt, received})
		}
	}
}
