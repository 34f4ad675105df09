package captioning

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// lossy drops some events and closes some subscriptions, as a broker may.
type lossy struct {
	caption.Events
	mu  sync.Mutex
	rnd *rand.Rand
}

func (l *lossy) PublishEvent(ctx context.Context, e caption.Event) error {
	l.mu.Lock()
	drop := l.rnd.IntN(4) == 0 && !e.Job.State.Ended()
	l.mu.Unlock()
	if drop {
		return nil
	}
	return l.Events.PublishEvent(ctx, e)
}

func (l *lossy) Subscribe(ctx context.Context, id string) (<-chan *caption.Event, func(), error) {
	ch, cancel, err := l.Events.Subscribe(ctx, id)
	l.mu.Lock()
	brk, after := l.rnd.IntN(3) == 0, time.Duration(l.rnd.IntN(20))*time.Millisecond
	l.mu.Unlock()
	if brk {
		time.AfterFunc(after, cancel)
	}
	return ch, cancel, err
}

// TestFollowersMissNothing lets many subscribers join at random moments of a job whose events get lost. Each must see the
// sequence grow, every segment once, and the end.
func TestFollowersMissNothing(t *testing.T) {
	const segments, followers = 40, 30
	f := newFixture(t)
	f.s.Events = &lossy{Events: f.s.Events, rnd: rand.New(rand.NewPCG(1, 2))}
	j := f.job("user-a")
	ctx := t.Context()
	job, err := f.store.UpdateJob(ctx, j.ID, func(j *caption.Job) error {
		j.State, j.Segments, j.Duration = caption.Transcribing, segments, segments*1000
		return nil
	})
	require.NoError(t, err)
	f.s.publish(ctx, job)

	var wg sync.WaitGroup
	for i := range followers {
		wg.Go(func() {
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			var last int64
			seen := map[int]int{}
			var end caption.State
			err := f.s.follow(ctx, j.ID, sink{
				send: func(_ int64, b []byte) error {
					var m Message
					if err := json.Unmarshal(b, &m); err != nil {
						return err
					}
					if last == 0 != (m.Type == "snapshot") {
						t.Errorf("follower %d: a %s after sequence %d", i, m.Type, last)
					}
					if m.Job.Seq <= last {
						t.Errorf("follower %d: sequence %d after %d", i, m.Job.Seq, last)
					}
					last, end = m.Job.Seq, m.Job.State
					for _, s := range m.Segments {
						seen[s.Index]++
					}
					return nil
				},
				alive: func() error { return nil },
			})
			if err != nil {
				t.Errorf("follower %d: %v", i, err)
			}
			if end != caption.Failed {
				t.Errorf("follower %d: ended with %q", i, end)
			}
			for s := range segments {
				if seen[s] != 1 {
					t.Errorf("follower %d: segment %d came %d times", i, s, seen[s])
				}
			}
		})
	}
	for s := range segments {
		time.Sleep(2 * time.Millisecond)
		r := caption.SegmentResult{Index: s, Start: caption.Millis(s * 1000), End: caption.Millis(s*1000 + 1000),
			Words: []caption.Word{{Text: "word", Start: caption.Millis(s * 1000), End: caption.Millis(s*1000 + 500)}}}
		n, first, err := f.store.SaveSegment(ctx, j.ID, r)
		require.NoError(t, err)
		require.True(t, first)
		require.NoError(t, f.s.Events.PublishEvent(ctx, caption.Event{Job: n, Segment: &r}))
	}
	// The job fails, so that all segments are sent: those of a processed job come with its transcript.
	n, err := f.store.UpdateJob(ctx, j.ID, func(j *caption.Job) error { j.State = caption.Failed; return nil })
	require.NoError(t, err)
	f.s.publish(ctx, n)
	wg.Wait()
}

func TestWebSocketEndsWithTheJobAndWithItsDeletion(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name string
		end  func(id string)
	}{
		{"cancelled", func(id string) { f.call("user-a", "POST", "/api/v1/captions/"+id+"/cancel", "", nil) }},
		{"deleted", func(id string) { f.call("user-a", "DELETE", "/api/v1/captions/"+id, "", nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := f.job("user-a")
			ws, _, err := websocket.Dial(t.Context(), //nolint:bodyclose // After an upgrade the body is the connection, which is closed below.
				f.url+"/api/v1/captions/"+j.ID+"/events",
				&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer user-a"}}})
			require.NoError(t, err)
			_, _, err = ws.Read(t.Context())
			require.NoError(t, err)
			defer func() { _ = ws.CloseNow() }() // The server has closed it.
			c.end(j.ID)
			_, b, err := ws.Read(t.Context())
			require.NoError(t, err)
			var m Message
			require.NoError(t, json.Unmarshal(b, &m))
			require.Equal(t, caption.Cancelled, m.Job.State)
			_, _, err = ws.Read(t.Context())
			require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
		})
	}
}

func TestServerSentEvents(t *testing.T) {
	f := newFixture(t)
	j := f.job("user-a")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/api/v1/captions/"+j.ID+"/events", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer user-a")
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	in := bufio.NewScanner(res.Body)
	var data []string
	cancelled := false
	for in.Scan() {
		line := in.Text()
		if d, ok := strings.CutPrefix(line, "data: "); ok {
			data = append(data, d)
			if !cancelled {
				cancelled = true
				f.call("user-a", "POST", "/api/v1/captions/"+j.ID+"/cancel", "", nil)
			}
		}
		if line == "event: end" {
			break
		}
	}
	require.Len(t, data, 2)
	require.Contains(t, data[0], `"type":"snapshot"`)
	require.Contains(t, data[1], `"state":"cancelled"`)
}

// away is a broker that cannot be reached.
type away struct{ caption.Events }

func (away) PublishEvent(context.Context, caption.Event) error { return errAway }

func (away) Subscribe(context.Context, string) (<-chan *caption.Event, func(), error) {
	return nil, nil, errAway
}

var errAway = caption.Errorf(caption.KindUnavailable, "The event service cannot be reached.")

// A stream goes on from the store while events are away.
func TestFollowersOutliveTheBroker(t *testing.T) {
	f := newFixture(t)
	f.s.Events = away{f.s.Events}
	j := f.job("user-a")
	first := make(chan struct{})
	var once sync.Once
	var seqs []int64
	done := make(chan error, 1)
	go func() {
		done <- f.s.follow(t.Context(), j.ID, sink{
			send: func(seq int64, _ []byte) error {
				once.Do(func() { close(first) })
				seqs = append(seqs, seq)
				return nil
			},
			alive: func() error { return nil },
		})
	}()
	<-first
	ended, err := f.store.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error { j.State = caption.Cancelled; return nil })
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.Equal(t, ended.Seq, seqs[len(seqs)-1])
}

// readCounter answers after a second, by the counter of reads that it began.
type readCounter struct {
	caption.Jobs
	begun atomic.Int64
	err   error
}

func (c *readCounter) Job(context.Context, string) (caption.Job, error) {
	n := c.begun.Add(1)
	time.Sleep(time.Second)
	return caption.Job{Seq: n}, c.err
}

// What subscribers ask of the store does not grow with their number, and none is answered with what was read before it asked.
func TestSubscribersShareReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads jobReads
		store := &readCounter{}
		type answer struct {
			job caption.Job
			err error
		}
		// ask asks a hundred times, a millisecond apart, for what was stored at most age ago.
		ask := func(age time.Duration) []answer {
			answers := make([]answer, 100)
			var wg sync.WaitGroup
			for i := range answers {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond)
					answers[i].job, answers[i].err = reads.job(t.Context(), store, "job", time.Now().Add(-age))
				})
			}
			wg.Wait()
			return answers
		}
		for i, a := range ask(0) {
			require.NoError(t, a.err)
			require.EqualValues(t, min(i+1, 2), a.job.Seq)
		}
		require.EqualValues(t, 2, store.begun.Load(), "the first, and one for all that came during it")

		for _, a := range ask(fresh) {
			require.NoError(t, a.err)
			require.EqualValues(t, 2, a.job.Seq)
		}
		require.EqualValues(t, 2, store.begun.Load(), "fresh enough")

		time.Sleep(resync)
		store.err = errors.New("the store is away")
		for _, a := range ask(fresh) {
			require.ErrorIs(t, a.err, store.err)
		}
		require.EqualValues(t, 3, store.begun.Load(), "a failure is shared too")

		store.err = nil
		_, err := reads.job(t.Context(), store, "job", time.Now().Add(-fresh))
		require.NoError(t, err, "but not kept")

		// One that stops waiting does not end the read of the others.
		time.Sleep(resync)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = reads.job(ctx, store, "job", time.Now()) }) // Nobody is there for its answer.
		synctest.Wait()
		_, err = reads.job(t.Context(), store, "job", time.Now())
		require.NoError(t, err)
		require.EqualValues(t, 5, store.begun.Load())
		wg.Wait()
	})
}
