package queuetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func testSettledTwice(t *testing.T, s suite) {
	p := s.start(t)
	for name, settle := range map[string]func(caption.Delivery) error{
		"ack":     func(d caption.Delivery) error { return d.Ack(t.Context()) },
		"release": func(d caption.Delivery) error { return d.Release(t.Context()) },
		"retry":   func(d caption.Delivery) error { return d.Retry(t.Context(), 0, "again") },
		"bury":    func(d caption.Delivery) error { return d.Bury(t.Context(), "bad") },
	} {
		publish(t, p, task(0))
		d := receive(t, p)
		require.NoError(t, settle(d), name)
		requireConflicts(t, d)
		// Nor may the first holder reach the task in the hands of the next one.
		if name == "release" || name == "retry" {
			next := receive(t, p)
			requireConflicts(t, d)
			requireHeld(t, next)
			require.NoError(t, next.Ack(t.Context()), name)
		}
	}
	requireStats(t, p, 0, 0, 1)
}

func testFencing(t *testing.T, s suite) {
	p := s.start(t)
	publish(t, p, task(0))
	stale := receiveTask(t, p, task(0), 1)
	p.Expel(t)
	requireLost(t, stale)
	requireConflicts(t, stale)
	// The process goes on, and gets the task again.
	d := receiveTask(t, p, task(0), 2)
	requireConflicts(t, stale)
	requireHeld(t, d)
	require.NoError(t, d.Ack(t.Context()))
	requireConflicts(t, stale)
	requireStats(t, p, 0, 0, 0)
}

func testHeld(t *testing.T, s suite) {
	p := s.start(t)
	publish(t, p, task(0))
	d := receiveTask(t, p, task(0), 1)
	time.Sleep(2*s.Visibility + s.Visibility/2)
	receiveNothing(t, p)
	requireHeld(t, d)
	require.NoError(t, d.Ack(t.Context()))
	requireStats(t, p, 0, 0, 0)
}

func testStalled(t *testing.T, s suite) {
	hung, other := s.start(t), s.start(t)
	publish(t, hung, task(0))
	stale := receiveTask(t, hung, task(0), 1)
	hung.Stall(t)
	d := receiveTask(t, other, task(0), 2)
	requireConflicts(t, stale)
	requireLost(t, stale)
	requireHeld(t, d)
	require.NoError(t, d.Ack(t.Context()))
	requireStats(t, other, 0, 0, 0)
}

func testKilled(t *testing.T, s suite) {
	killed := s.start(t)
	publish(t, killed, task(0), task(1))
	held := receive(t, killed)
	killed.Kill(t)

	p := s.start(t)
	seen := map[caption.Task]int{}
	for range 2 {
		d := receive(t, p)
		seen[d.Task()] = d.Attempt()
		require.NoError(t, d.Ack(t.Context()))
	}
	want := map[caption.Task]int{task(0): 1, task(1): 1}
	want[held.Task()] = 2 // A delivery to a process that was killed counts: the task may be what killed it.
	require.Equal(t, want, seen)
	requireStats(t, p, 0, 0, 0)
}

func testKilledAtEachAttempt(t *testing.T, s suite) {
	p := s.start(t)
	publish(t, p, task(0))
	for attempt := 1; attempt <= s.MaxAttempts; attempt++ {
		receiveTask(t, p, task(0), attempt)
		p.Kill(t)
		p = s.start(t)
	}
	l := deadLetters(t, p, 1)[0]
	require.Equal(t, task(0), l.Task)
	require.Equal(t, s.MaxAttempts, l.Attempts)
	require.NotEmpty(t, l.Cause)
	receiveNothing(t, p)
}

func testDurable(t *testing.T, s suite) {
	p := s.start(t)
	publish(t, p, task(0))
	require.NoError(t, receiveTask(t, p, task(0), 1).Bury(t.Context(), "bad"))
	publish(t, p, task(1))
	require.NoError(t, receiveTask(t, p, task(1), 1).Retry(t.Context(), glance, "busy"))
	publish(t, p, task(2))
	require.NoError(t, receiveTask(t, p, task(2), 1).Ack(t.Context()))
	publish(t, p, task(3), task(4))
	p.Close(t)

	p = s.start(t)
	requireStats(t, p, 3, 0, 1)
	l := deadLetters(t, p, 1)[0]
	require.Equal(t, task(0), l.Task)
	require.Equal(t, "bad", l.Cause)
	seen := map[int]int{}
	for range 3 {
		d := receive(t, p)
		seen[d.Task().Segment] = d.Attempt()
		require.NoError(t, d.Ack(t.Context()))
	}
	require.Equal(t, map[int]int{1: 2, 3: 1, 4: 1}, seen)
}
