package eventstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// RunEvents runs the suite of events. For each test, open returns an adapter that nobody else publishes to, and stops it
// when the test ends.
func RunEvents(t *testing.T, f Features, open func(t *testing.T) caption.Events) {
	run(t, f, open, map[string]func(*testing.T, caption.Events){
		"Content":            testContent,
		"OnlyItsJob":         testOnlyItsJob,
		"OnlyFromNowOn":      testOnlyFromNowOn,
		"Cancel":             testCancel,
		"CancelWhilePublish": testCancelWhilePublish,
		"SlowSubscriber":     testSlowSubscriber,
		"OrderPerPublisher":  testOrderPerPublisher,
		"ManySubscribers":    testManySubscribers,
		"SubscribeCancelled": testSubscribeCancelled,
	})
}

func event(job string, seq int) caption.Event {
	return caption.Event{Job: caption.Job{ID: job, Seq: int64(seq)}}
}

func subscribe(t *testing.T, e caption.Events, job string) (<-chan *caption.Event, func()) {
	t.Helper()
	events, cancel, err := e.Subscribe(t.Context(), job)
	require.NoError(t, err)
	t.Cleanup(cancel)
	return events, cancel
}

// next returns the next event, which must come.
func next(t *testing.T, events <-chan *caption.Event) caption.Event {
	t.Helper()
	select {
	case e, ok := <-events:
		require.True(t, ok, "the channel was closed")
		return *e
	case <-time.After(patience):
		require.FailNow(t, "no event came")
		return caption.Event{}
	}
}

// requireClosed returns what came before the channel was closed, which it must be.
func requireClosed(t *testing.T, events <-chan *caption.Event) (seqs []int64) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return seqs
			}
			seqs = append(seqs, e.Job.Seq)
		case <-timeout:
			require.FailNow(t, "the channel was not closed")
		}
	}
}

func publish(t *testing.T, e caption.Events, events ...caption.Event) {
	t.Helper()
	for _, ev := range events {
		require.NoError(t, e.PublishEvent(t.Context(), ev))
	}
}

func testContent(t *testing.T, e caption.Events) {
	confidence := 0.5
	at := time.Date(2026, 3, 1, 12, 0, 0, int(7*time.Millisecond), time.UTC)
	full := caption.Event{
		Job: caption.Job{
			ID: "job", Owner: "owner", VideoID: "video", Title: "Grüße \"\n", Options: caption.Options{Language: "de", Diarize: true},
			State: caption.Failed, Reason: &caption.Reason{Code: "no_speech", Message: "Nobody speaks."}, Seq: 7, Enqueued: true, Run: 2,
			Duration: 1234, Segments: 9, Done: 3, Engine: "deepgram", Language: "de", Created: at, Updated: at, TranscribeT: at,
			DoneAtStart: 1, Finished: at,
		},
		Segment: &caption.SegmentResult{Index: 2, Start: 1, End: 2, Engine: "deepgram", Words: []caption.Word{
			{Text: "hello", Start: 1, End: 2, Confidence: &confidence, Speaker: "Speaker 1"}}},
	}
	events, _ := subscribe(t, e, "job")
	for _, want := range []caption.Event{full, event("job", 8)} {
		publish(t, e, want)
		require.Empty(t, cmp.Diff(want, next(t, events)))
	}
}

func testOnlyItsJob(t *testing.T, e caption.Events) {
	publish(t, e, event("nobody's", 1))
	a, _ := subscribe(t, e, "a")
	b, _ := subscribe(t, e, "b")
	b2, _ := subscribe(t, e, "b")
	publish(t, e, event("b", 1), event("a", 2), event("ab", 3), event("", 4), event("b", 5), event("*", 6), event("a", 7))
	for _, c := range []struct {
		events <-chan *caption.Event
		want   []int64
	}{{a, []int64{2, 7}}, {b, []int64{1, 5}}, {b2, []int64{1, 5}}} {
		for _, seq := range c.want {
			require.Equal(t, seq, next(t, c.events).Job.Seq)
		}
		require.Empty(t, c.events)
	}
}

func testOnlyFromNowOn(t *testing.T, e caption.Events) {
	early, _ := subscribe(t, e, "job")
	publish(t, e, event("job", 1))
	next(t, early)
	late, _ := subscribe(t, e, "job")
	publish(t, e, event("job", 2))
	require.EqualValues(t, 2, next(t, late).Job.Seq)
	require.EqualValues(t, 2, next(t, early).Job.Seq)
}

func testCancel(t *testing.T, e caption.Events) {
	gone, cancel := subscribe(t, e, "job")
	stays, _ := subscribe(t, e, "job")
	cancel()
	cancel()
	require.Empty(t, requireClosed(t, gone))
	publish(t, e, event("job", 1))
	require.EqualValues(t, 1, next(t, stays).Job.Seq)
	// The last one may go, and others come.
	again, cancel := subscribe(t, e, "job")
	cancel()
	requireClosed(t, again)
	again, _ = subscribe(t, e, "job")
	publish(t, e, event("job", 2))
	require.EqualValues(t, 2, next(t, again).Job.Seq)
}

func testCancelWhilePublish(t *testing.T, e caption.Events) {
	const n = 50
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		events, cancel := subscribe(t, e, "job")
		wg.Go(func() { errs[i] = e.PublishEvent(t.Context(), event("job", i)) })
		wg.Go(cancel)
		wg.Go(func() {
			for range events { // Until it is closed.
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
}

func testSlowSubscriber(t *testing.T, e caption.Events) {
	const n = 2000
	slow, cancel := subscribe(t, e, "job")
	quick, _ := subscribe(t, e, "job")
	for i := 1; i <= n; i++ {
		publish(t, e, event("job", i)) // It does not wait for the slow one.
		require.EqualValues(t, i, next(t, quick).Job.Seq)
	}
	// The slow one learns that it has missed events, after those that it has not missed, without a gap.
	got := requireClosed(t, slow)
	require.Less(t, len(got), n)
	for i, seq := range got {
		require.EqualValues(t, i+1, seq)
	}
	cancel()
	again, _ := subscribe(t, e, "job")
	publish(t, e, event("job", n+1))
	require.EqualValues(t, n+1, next(t, again).Job.Seq)
	require.EqualValues(t, n+1, next(t, quick).Job.Seq)
}

func testOrderPerPublisher(t *testing.T, e caption.Events) {
	const publishers, each = 4, 5 // few enough that no buffer is too small
	events, _ := subscribe(t, e, "job")
	errs := make([]error, publishers)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				ev := event("job", i)
				ev.Job.Run = p
				errs[p] = errors.Join(errs[p], e.PublishEvent(t.Context(), ev))
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	var seen [publishers]int64
	for range publishers * each {
		j := next(t, events).Job
		require.Equal(t, seen[j.Run], j.Seq)
		seen[j.Run]++
	}
}

func testManySubscribers(t *testing.T, e caption.Events) {
	const n, jobs = 2000, 20
	var all []<-chan *caption.Event
	for i := range n {
		events, _ := subscribe(t, e, fmt.Sprint("job", i%jobs))
		all = append(all, events)
	}
	for i := range jobs {
		publish(t, e, event(fmt.Sprint("job", i), i+1))
	}
	for i, events := range all {
		require.EqualValues(t, i%jobs+1, next(t, events).Job.Seq)
	}
}

func testSubscribeCancelled(t *testing.T, e caption.Events) {
	ctx, cancel := context.WithCancel(t.Context())
	events, stop, err := e.Subscribe(ctx, "job")
	require.NoError(t, err)
	defer stop()
	cancel() // That call is over; its subscription is not.
	_, _, err = e.Subscribe(ctx, "job")
	require.ErrorIs(t, err, context.Canceled)
	publish(t, e, event("job", 1))
	require.EqualValues(t, 1, next(t, events).Job.Seq)
}
