package queuetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func testContent(t *testing.T, s suite) {
	p := s.start(t)
	require.NoError(t, p.Publish(t.Context()))
	receiveNothing(t, p)
	for _, want := range []caption.Task{
		{Kind: caption.Prepare, JobID: caption.NewID(), Run: 1},
		{Kind: caption.Transcribe, JobID: caption.NewID(), Run: 2, Segment: 179, Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		{Kind: caption.Assemble, JobID: "\"quote\" and ünïcode \x01", Run: 3},
	} {
		publish(t, p, want)
		d := receiveTask(t, p, want, 1)
		require.NoError(t, d.Ack(t.Context()))
		requireHeld(t, d) // Settled is not lost.
	}
	requireStats(t, p, 0, 0, 0)
}

func testOrder(t *testing.T, s suite) {
	p := s.start(t)
	const n = 60
	var want, got []int
	var batch []caption.Task
	for i := range n {
		want = append(want, i)
		if i < n/2 {
			batch = append(batch, task(i))
		}
	}
	publish(t, p, batch...)
	for i := n / 2; i < n; i++ {
		publish(t, p, task(i))
	}
	for range n {
		d := receive(t, p)
		got = append(got, d.Task().Segment)
		require.NoError(t, d.Ack(t.Context()))
	}
	if s.StrictOrder {
		require.Equal(t, want, got)
	} else {
		require.ElementsMatch(t, want, got)
	}
}

func testPublishWakes(t *testing.T, s suite) {
	p := s.start(t)
	const n = 8
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := make(chan caption.Delivery, n)
	for range n {
		go func() {
			if d, err := p.Receive(ctx); err == nil {
				got <- d
			}
		}()
	}
	time.Sleep(glance) // Most are waiting by now; the test holds for those that are not, too.
	publish(t, p, task(0))
	publish(t, p, task(1), task(2), task(3))
	for i := 4; i < n; i++ {
		publish(t, p, task(i))
	}
	seen := map[int]bool{}
	for range n {
		select {
		case d := <-got:
			seen[d.Task().Segment] = true
			require.NoError(t, d.Ack(t.Context()))
		case <-ctx.Done():
			require.FailNow(t, "a receiver was not woken")
		}
	}
	require.Len(t, seen, n)
}

func testCancelledReceive(t *testing.T, s suite) {
	p := s.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 5)
	for range cap(failed) {
		go func() {
			_, err := p.Receive(ctx)
			failed <- err
		}()
	}
	time.Sleep(glance) // So that most are waiting; the test holds for those that are not, too.
	cancel()
	for range cap(failed) {
		require.ErrorIs(t, <-failed, context.Canceled)
	}
	// A call that is over from the start takes nothing.
	publish(t, p, task(0))
	_, err := p.Receive(ctx)
	require.ErrorIs(t, err, context.Canceled)
	d := receiveTask(t, p, task(0), 1)
	require.NoError(t, d.Ack(t.Context()))
}

func testNoDoubleDelivery(t *testing.T, s suite) {
	p := s.start(t)
	const consumers, n = 20, 1000
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	var mu sync.Mutex
	times := map[int]int{}
	var failures []error
	var wg sync.WaitGroup
	for range consumers {
		wg.Go(func() {
			for {
				d, err := p.Receive(ctx)
				if err == nil {
					err = d.Ack(ctx)
				}
				mu.Lock()
				if err == nil {
					times[d.Task().Segment]++
					if len(times) == n {
						cancel()
					}
				} else if !isContextError(err) {
					failures = append(failures, err)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	for i := 0; i < n; i += 10 {
		var batch []caption.Task
		for j := range 10 {
			batch = append(batch, task(i+j))
		}
		publish(t, p, batch...)
	}
	wg.Wait()
	require.Empty(t, failures)
	require.Len(t, times, n)
	for i, k := range times {
		require.Equal(t, 1, k, "task %d was delivered %d times", i, k)
	}
}

func testRelease(t *testing.T, s suite) {
	p := s.start(t)
	publish(t, p, task(0))
	for range 3 * s.MaxAttempts {
		d := receiveTask(t, p, task(0), 1)
		require.NoError(t, d.Release(t.Context()))
		requireHeld(t, d)
	}
	d := receiveTask(t, p, task(0), 1)
	require.NoError(t, d.Retry(t.Context(), 0, "a failure that counts"))
	d = receiveTask(t, p, task(0), 2)
	require.NoError(t, d.Release(t.Context()))
	d = receiveTask(t, p, task(0), 2)
	require.NoError(t, d.Ack(t.Context()))
	requireStats(t, p, 0, 0, 0)
}

func testRetryDelay(t *testing.T, s suite) {
	p := s.start(t)
	const pause = 500 * time.Millisecond
	publish(t, p, task(0), task(1))
	d := receive(t, p)
	delayed := d.Task()
	start := time.Now()
	require.NoError(t, d.Retry(t.Context(), pause, "busy"))
	// The pause of one task holds up no other.
	d = receive(t, p)
	require.NotEqual(t, delayed, d.Task())
	require.NoError(t, d.Ack(t.Context()))
	// A second, longer pause that starts while somebody waits for the first.
	publish(t, p, task(2))
	d = receiveTask(t, p, task(2), 1)
	require.NoError(t, d.Retry(t.Context(), 2*pause, "busy"))
	d = receiveTask(t, p, delayed, 2)
	require.GreaterOrEqual(t, time.Since(start), pause)
	require.NoError(t, d.Ack(t.Context()))
	d = receiveTask(t, p, task(2), 2)
	require.GreaterOrEqual(t, time.Since(start), 2*pause)
	require.NoError(t, d.Ack(t.Context()))
	requireStats(t, p, 0, 0, 0)
}

func testRetryLimit(t *testing.T, s suite) {
	p := s.start(t)
	publish(t, p, task(0))
	for attempt := 1; attempt <= s.MaxAttempts; attempt++ {
		d := receiveTask(t, p, task(0), attempt)
		cause := "an early failure"
		if attempt == s.MaxAttempts {
			cause = "the last failure"
		}
		require.NoError(t, d.Retry(t.Context(), time.Millisecond, cause))
		requireConflicts(t, d)
	}
	l := deadLetters(t, p, 1)[0]
	require.Equal(t, task(0), l.Task)
	require.Equal(t, s.MaxAttempts, l.Attempts)
	require.Equal(t, "the last failure", l.Cause)
	require.WithinDuration(t, time.Now(), l.Died, time.Hour)
	receiveNothing(t, p)
	requireStats(t, p, 0, 0, 1)
}

func testStats(t *testing.T, s suite) {
	p := s.start(t)
	if age := requireStats(t, p, 0, 0, 0).OldestAge; s.OldestAge {
		require.Zero(t, age)
	}
	publish(t, p, task(0), task(1), task(2), task(3))
	requireStats(t, p, 4, 0, 0)
	a, b, c := receive(t, p), receive(t, p), receive(t, p)
	requireStats(t, p, 1, 3, 0)
	require.NoError(t, a.Bury(t.Context(), "bad"))
	requireStats(t, p, 1, 2, 1)
	require.NoError(t, b.Retry(t.Context(), time.Hour, "busy"))
	requireStats(t, p, 2, 1, 1)
	time.Sleep(20 * time.Millisecond)
	if age := requireStats(t, p, 2, 1, 1).OldestAge; s.OldestAge {
		require.GreaterOrEqual(t, age, 20*time.Millisecond)
		require.Less(t, age, time.Hour)
	} else {
		require.EqualValues(t, caption.Unknown, age)
	}
	require.NoError(t, c.Ack(t.Context()))
	requireStats(t, p, 2, 0, 1)

	// What cannot be read is an error, not an empty queue.
	p.Close(t)
	_, err := p.QueueStats(t.Context())
	require.Error(t, err)
}
