package captioning

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"k8s-scalers/internal/caption"
)

// Message is what a subscriber of a job receives: first a snapshot, then updates. Both carry the whole state of the job;
// segments are those that this subscriber has not received yet.
type Message struct {
	Type     string        `json:"type"` // "snapshot" or "update"
	Job      JobView       `json:"job"`
	Segments []SegmentView `json:"segments"`
}

// resync is how often a subscriber's state is compared with the store, and its connection kept alive. With the age that a
// comparison accepts it bounds how long a lost event stays unseen, and it is below the 60 s after which many proxies close a
// quiet connection.
const resync = 15 * time.Second

// fresh is how old the state may be that a quiet subscriber is compared with. Subscribers of one job share what is read
// within that time.
const fresh = resync / 2

// pollEvery is how often the store is looked at, at most, while events are away.
const pollEvery = time.Second

// sink is a subscriber's connection.
type sink struct {
	send  func(seq int64, msg []byte) error
	alive func() error // sends something that the client ignores
}

// follow sends the job's snapshot and then its changes, each once and in order, until the job has ended (nil), send
// fails, or ctx ends. It subscribes before it reads, so that nothing falls between the two.
func (s *Service) follow(ctx context.Context, jobID string, to sink) error {
	f := follower{s: s, id: jobID, to: to, sent: map[int]bool{}}
	tick := time.NewTicker(resync)
	defer tick.Stop()
	for {
		events, cancel, err := s.Events.Subscribe(ctx, jobID)
		if caption.KindOf(err) == caption.KindUnavailable && ctx.Err() == nil {
			// While events are away the store alone tells of changes.
			if err := f.catchUp(ctx, 0); err != nil || f.ended {
				return err
			}
			if err := f.pause(ctx, tick.C); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		err = f.run(ctx, events, tick.C)
		cancel()
		if err != nil || f.ended {
			return err
		}
	}
}

// follower is the state of one subscriber.
type follower struct {
	s     *Service
	id    string
	to    sink
	seq   int64        // last one sent
	sent  map[int]bool // segments sent
	ended bool
}

// run catches up with the store, then follows events until the channel is closed or the job has ended.
func (f *follower) run(ctx context.Context, events <-chan *caption.Event, tick <-chan time.Time) error {
	if err := f.catchUp(ctx, 0); err != nil || f.ended {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick:
			if err := apart(f.to.alive); err != nil {
				return err
			}
			if err := f.catchUp(ctx, fresh); err != nil || f.ended {
				return err
			}
		case e, ok := <-events:
			if !ok {
				return nil
			}
			if err := f.event(ctx, *e); err != nil || f.ended {
				return err
			}
		}
	}
}

// pause waits until the store is to be looked at again, and keeps the connection alive.
func (f *follower) pause(ctx context.Context, tick <-chan time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-tick:
		return apart(f.to.alive)
	case <-time.After(pollEvery):
		return nil
	}
}

func (f *follower) event(ctx context.Context, e caption.Event) error {
	switch {
	case e.Job.Seq <= f.seq:
		return nil
	case e.Job.Seq > f.seq+1: // an event is missing, and with it perhaps a segment
		return f.catchUp(ctx, 0)
	}
	render := f.s.messages.update
	if e.Segment != nil && f.sent[e.Segment.Index] {
		// The segment was stored between the two reads of catchUp, which has sent it with an older state of the job.
		e.Segment, render = nil, renderUpdate
	}
	var msg []byte
	if err := apart(func() (err error) { msg, err = render(f.s, e); return err }); err != nil {
		return err
	}
	if e.Segment != nil {
		f.sent[e.Segment.Index] = true
	}
	return f.deliver(e.Job, msg)
}

// catchUp sends the stored state, as it was at most age ago, if it is newer than what was sent.
func (f *follower) catchUp(ctx context.Context, age time.Duration) error {
	since := time.Now().Add(-age)
	var j caption.Job
	var msg []byte
	if err := apart(func() (err error) { j, msg, err = f.stored(ctx, since); return err }); err != nil || msg == nil {
		return err
	}
	return f.deliver(j, msg)
}

// stored returns the state that was stored at since or later, and the message for it; nil where the client has it already.
func (f *follower) stored(ctx context.Context, since time.Time) (caption.Job, []byte, error) {
	j, err := f.s.reads.job(ctx, f.s.Jobs, f.id, since)
	if err != nil || j.Seq <= f.seq {
		return j, nil, err
	}
	m := Message{Type: "update", Job: f.s.view(j), Segments: []SegmentView{}}
	if f.seq == 0 {
		m.Type = "snapshot"
	}
	// A processed job's captions are its transcript, so that its segments need not be sent.
	if j.State != caption.Processed {
		if m.Segments, err = f.unsent(ctx, j); err != nil {
			return j, nil, err
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return j, nil, fmt.Errorf("render event: %w", err)
	}
	return j, b, nil
}

// unsent returns the stored segments that the client has not received.
func (f *follower) unsent(ctx context.Context, j caption.Job) ([]SegmentView, error) {
	from := 0
	for f.sent[from] {
		from++
	}
	results, err := f.s.Segments.Segments(ctx, f.id, from)
	if err != nil {
		return nil, err
	}
	views := []SegmentView{}
	for _, r := range results {
		if f.sent[r.Index] {
			continue
		}
		v, err := segmentView(j, r)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
		f.sent[r.Index] = true
	}
	return views, nil
}

// apart runs f on a stack of its own, which is freed afterwards. A follower waits most of its life, and would keep the
// stack that reading, rendering and sending make it grow.
func apart(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return <-done
}

func (f *follower) deliver(j caption.Job, msg []byte) error {
	if err := apart(func() error { return f.to.send(j.Seq, msg) }); err != nil {
		return err
	}
	f.seq, f.ended = j.Seq, j.State.Ended()
	return nil
}

// jobReads shares reads of a job's state among its subscribers, so that what they ask of the store does not grow with their number.
type jobReads struct {
	mu   sync.Mutex
	last map[string]*jobRead
}

// jobRead is one read; its result is there when done is closed.
type jobRead struct {
	begun time.Time
	done  chan struct{}
	job   caption.Job
	err   error
}

// readTimeout ends a read that others may wait for, whoever began it.
const readTimeout = 10 * time.Second

// job returns the state by a read that began at since or later.
func (r *jobReads) job(ctx context.Context, jobs caption.Jobs, id string, since time.Time) (caption.Job, error) {
	for {
		read, mine := r.join(id, since)
		if mine {
			// Not ended by the subscriber that happens to be first.
			rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
			read.job, read.err = jobs.Job(rctx, id)
			cancel()
			close(read.done)
		}
		select {
		case <-read.done:
		case <-ctx.Done():
			return caption.Job{}, ctx.Err()
		}
		if !read.begun.Before(since) {
			return read.job, read.err
		}
	}
}

// join returns the last read if it began at since or later, or has not ended. Else it begins one, which is the caller's to do.
func (r *jobReads) join(id string, since time.Time) (read *jobRead, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if read := r.last[id]; read != nil {
		select {
		case <-read.done:
			if read.err == nil && !read.begun.Before(since) {
				return read, false
			}
		default:
			return read, false
		}
	}
	if r.last == nil || len(r.last) >= maxCached {
		r.last = make(map[string]*jobRead)
	}
	read = &jobRead{begun: time.Now(), done: make(chan struct{})}
	r.last[id] = read
	return read, true
}

// messageCache keeps the last rendered update of each job, because all subscribers of a job want the same one at the same time.
type messageCache struct {
	mu   sync.Mutex
	last map[string]cachedMessage
}

type cachedMessage struct {
	seq int64
	msg []byte
}

// maxCached bounds the cache; a few hundred jobs are active at a time at the most.
const maxCached = 512

func (c *messageCache) update(s *Service, e caption.Event) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.last[e.Job.ID]; l.seq == e.Job.Seq {
		return l.msg, nil
	}
	b, err := renderUpdate(s, e)
	if err != nil {
		return nil, err
	}
	if c.last == nil || len(c.last) >= maxCached {
		c.last = make(map[string]cachedMessage)
	}
	c.last[e.Job.ID] = cachedMessage{e.Job.Seq, b}
	return b, nil
}

func renderUpdate(s *Service, e caption.Event) ([]byte, error) {
	m := Message{Type: "update", Job: s.view(e.Job), Segments: []SegmentView{}}
	if e.Segment != nil {
		v, err := segmentView(e.Job, *e.Segment)
		if err != nil {
			return nil, err
		}
		m.Segments = append(m.Segments, v)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("render event: %w", err)
	}
	return b, nil
}
