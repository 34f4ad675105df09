package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/backend"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/testservers"
)

// segment is how long the segments of these films are.
const segment = 10 * time.Second

// stubEngine answers as a server that speaks OpenAI's protocol, a fixed time after each question, with the same words. So
// what is measured is the platform, and many segments can be "heard" at the same time on two cores.
func stubEngine(latency time.Duration) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // A sender who has gone needs no answer.
		select {
		case <-time.After(latency):
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		words := []map[string]any{{"word": "hello", "start": 0.5, "end": 1.0}, {"word": "world", "start": 1.1, "end": 1.6}}
		_ = json.NewEncoder(w).Encode(map[string]any{"text": "hello world", "language": "english", "words": words}) // As above.
	}))
}

// film makes a video of so many segments.
func (l *lab) film(ctx context.Context, segments int) (string, error) {
	length := time.Duration(segments) * segment
	return l.video(ctx, fmt.Sprintf("film-%d.mp4", segments), 5, length, bytes.NewReader(silence(length)))
}

// engineSettings are those of a platform whose engine is the stub.
func engineSettings(engine *httptest.Server, workers int) map[string]string {
	return map[string]string{
		"ENGINES": "openai", "OPENAI_URL": engine.URL + "/v1", "SEGMENT_LENGTH": segment.String(), "WORKERS": fmt.Sprint(workers),
	}
}

// measureScaling captions the same film with more and more worker processes, each of which does one task at a time. The time
// is that from asking for captions to being told that they are there. With n workers 20 segments take as many turns as n goes into 20,
// rounded up: 8 workers can be 6.7 times as fast as one, and not 8 times.
func measureScaling(ctx context.Context, l *lab) (rows []row, err error) {
	const segments = 20
	latency := 2 * time.Second
	if l.quick {
		latency = 500 * time.Millisecond
	}
	engine := stubEngine(latency)
	defer engine.Close()
	p, err := l.platform(ctx, engineSettings(engine, 1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if _, err := p.start(ctx, "auth-service", "upload-service", "caption-service", "gateway-service"); err != nil {
		return nil, err
	}
	video, err := l.film(ctx, segments)
	if err != nil {
		return nil, err
	}
	u, err := signUp(ctx, p.entry(), 0)
	if err != nil {
		return nil, err
	}
	up, err := u.api.Upload(ctx, video, nil)
	if err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	var one time.Duration
	workers := 0
	for _, n := range []int{1, 2, 4, 8} {
		for ; workers < n; workers++ {
			addr, err := testservers.FreeAddr()
			if err != nil {
				return nil, err
			}
			if err := p.startAt(ctx, "caption-worker", addr); err != nil {
				return nil, err
			}
		}
		var took []time.Duration
		for range l.rounds() {
			start := time.Now()
			if err := u.captioned(ctx, up.ID, segments); err != nil {
				return nil, err
			}
			took = append(took, time.Since(start))
		}
		d := median(took)
		l.logf("%d workers: %s", n, seconds(d))
		if n == 1 {
			one = d
			continue
		}
		turns := (segments + n - 1) / n
		ideal, ratio := float64(segments)/float64(turns), one.Seconds()/d.Seconds()
		rows = append(rows, row{
			fmt.Sprintf("one video of %d segments, %d workers, an engine that takes %s for each", segments, n, latency), "1 worker: " + seconds(one),
			fmt.Sprintf("≥ 0.9 × %.2g times as fast", ideal), fmt.Sprintf("%.2f times (%s)", ratio, seconds(d)), verdictOf(ratio >= 0.9*ideal),
		})
	}
	return rows, nil
}

// captioned asks for captions and listens until they are there, as the page does. Asking again and again would take of the cores what
// the workers need.
func (u *user) captioned(ctx context.Context, upload string, segments int) error {
	j, err := u.api.Caption(ctx, upload, caption.NewID(), caption.Options{})
	if err != nil {
		return fmt.Errorf("ask for captions: %w", err)
	}
	ws, err := u.subscribe(ctx, j.ID)
	if err != nil {
		return err
	}
	h, err := listen(ctx, ws)
	if err != nil {
		return err
	}
	if h.last.State != caption.Processed || h.last.SegmentsDone != segments {
		return fmt.Errorf("the job ended as %s with %d of %d segments", h.last.State, h.last.SegmentsDone, segments)
	}
	return nil
}

// measureReplicas has many subscribers watch jobs through the gateway and two replicas of caption-service, from the jobs' start
// to their end. Each subscriber must be told of every segment once, and of the end. Delays are counted twice: from when the worker
// published the event, as another process that subscribes hears of it, which is what the replicas and the gateway make of it; and as in
// [measureSubscribers], from when the worker was about to store the state. Between the two is the document store, here a stand-in for
// MongoDB that does one thing at a time and looks through all segments for those of a job.
func measureReplicas(ctx context.Context, l *lab) (rows []row, err error) {
	const segments = 5
	c := crowd{users: 100, subscribers: 50}
	if l.quick {
		c = crowd{users: 10, subscribers: 50}
	}
	engine := stubEngine(time.Second)
	defer engine.Close()
	p, err := l.platform(ctx, engineSettings(engine, 16))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	replicas := make([]string, 2)
	for i := range replicas {
		if replicas[i], err = testservers.FreeAddr(); err != nil {
			return nil, err
		}
	}
	service, err := balance(ctx, replicas)
	if err != nil {
		return nil, err
	}
	defer func() { _ = service.Close() }() // Nobody connects any more.
	p.settings["CAPTION_URL"] = "http://" + service.Addr().String()
	for _, addr := range replicas {
		if err := p.startAt(ctx, "caption-service", addr); err != nil {
			return nil, err
		}
	}
	if _, err := p.start(ctx, "auth-service", "upload-service", "gateway-service"); err != nil {
		return nil, err
	}
	video, err := l.film(ctx, segments)
	if err != nil {
		return nil, err
	}
	published, err := watchEvents(ctx, p.settings["EVENTS_URL"])
	if err != nil {
		return nil, err
	}
	defer published.stop()
	// Without a worker the jobs wait until everybody watches.
	var connecting, watching errgroup.Group
	connecting.SetLimit(16)
	var mu sync.Mutex
	var updates []update
	for n := range c.users {
		u, err := signUp(ctx, p.entry(), n)
		if err != nil {
			return nil, err
		}
		up, err := u.api.Upload(ctx, video, nil)
		if err != nil {
			return nil, fmt.Errorf("upload: %w", err)
		}
		j, err := u.api.Caption(ctx, up.ID, caption.NewID(), caption.Options{})
		if err != nil {
			return nil, fmt.Errorf("ask for captions: %w", err)
		}
		if err := published.note(ctx, j.ID); err != nil {
			return nil, err
		}
		for range c.subscribers {
			connecting.Go(func() error {
				ws, err := u.subscribe(ctx, j.ID)
				if err != nil {
					return err
				}
				watching.Go(func() error {
					h, err := listen(ctx, ws)
					if err == nil && (h.segments != segments || h.last.State != caption.Processed) {
						err = fmt.Errorf("a subscriber was told of %d of %d segments, and that the job is %s", h.segments, segments, h.last.State)
					}
					mu.Lock()
					defer mu.Unlock()
					updates = append(updates, h.updates...)
					return err
				})
				return nil
			})
		}
	}
	if err := connecting.Wait(); err != nil {
		return nil, err
	}
	l.logf("%d subscribers; now the jobs begin", c.users*c.subscribers)
	if _, err := p.start(ctx, "caption-worker"); err != nil {
		return nil, err
	}
	if err := watching.Wait(); err != nil {
		return nil, err
	}
	delays, err := published.delays(updates)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d subscribers over two replicas of caption-service, each told of every segment once: delay of %d events", c.users*c.subscribers, len(updates))
	result := func(delays []time.Duration) (text string, p99 time.Duration) {
		p50, p99 := quantile(delays, 0.50), quantile(delays, 0.99)
		return fmt.Sprintf("p99 %.0f ms, median %.0f ms, none lost", p99.Seconds()*1e3, p50.Seconds()*1e3), p99
	}
	text, p99 := result(delays)
	withStore, _ := result(sinceStored(updates))
	return []row{
		{what, "–", "p99 ≤ 150 ms, none lost", text, verdictOf(p99 <= 150*time.Millisecond)},
		{"the same, with the time that the stand-in for the document store takes", "–", "–", withStore, noGoal},
	}, nil
}

// publications are when events were published.
type publications struct {
	shared backend.Shared
	cancel context.CancelFunc
	gone   sync.WaitGroup

	mu sync.Mutex
	at map[moment]time.Time
}

// watchEvents prepares to note when events come out of Redis.
func watchEvents(ctx context.Context, address string) (*publications, error) {
	shared, err := backend.OpenShared(address, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &publications{shared: shared, cancel: cancel, at: map[moment]time.Time{}}
	p.gone.Go(func() { _ = shared.Run(ctx) }) // It ends when it is asked to.
	return p, nil
}

// note takes down the events of a job from now on.
func (p *publications) note(ctx context.Context, job string) error {
	events, _, err := p.shared.Subscribe(ctx, job) // Until stop ends all.
	if err != nil {
		return fmt.Errorf("watch events: %w", err)
	}
	p.gone.Go(func() {
		for e := range events {
			now := time.Now()
			p.mu.Lock()
			p.at[moment{e.Job.ID, e.Job.Seq}] = now
			p.mu.Unlock()
		}
	})
	return nil
}

func (p *publications) stop() {
	p.cancel()
	_ = p.shared.Close() // Everything has been received. It ends the channels of events, too.
	p.gone.Wait()
}

// delays are those of updates from when they were published. A subscriber that heard of one before we did has waited for no time.
func (p *publications) delays(updates []update) (delays []time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range updates {
		at, ok := p.at[u.state]
		if !ok {
			return nil, fmt.Errorf("nobody published state %d of job %s, which a subscriber received", u.state.seq, u.state.job)
		}
		delays = append(delays, max(0, u.received.Sub(at)))
	}
	return delays, nil
}

// balance passes connections on to replicas in turns, as a Service of Kubernetes does.
func balance(ctx context.Context, replicas []string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	go func() {
		for n := 0; ; n++ {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(ctx, client, replicas[n%len(replicas)])
		}
	}()
	return listener, nil
}

// pass copies in both directions until either side hangs up.
func pass(ctx context.Context, client net.Conn, addr string) {
	defer func() { _ = client.Close() }() // It may be closed already.
	replica, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, replica}, {replica, client}} {
		both.Go(func() {
			// The wrappers keep the kernel's copying away, which needs two more open files a direction. However it ends, the
			// connection does.
			_, _ = io.CopyBuffer(struct{ io.Writer }{way[0]}, struct{ io.Reader }{way[1]}, make([]byte, 4<<10))
			_ = client.Close()
			_ = replica.Close()
		})
	}
	both.Wait()
}
