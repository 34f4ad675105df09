package queuetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func testBury(t *testing.T, s suite) {
	p := s.start(t)
	publish(t, p, task(0), task(1))
	d := receive(t, p)
	buried := d.Task()
	require.NoError(t, d.Bury(t.Context(), "it cannot be done"))
	requireHeld(t, d)
	requireConflicts(t, d)
	l := deadLetters(t, p, 1)[0]
	require.Equal(t, buried, l.Task)
	require.Equal(t, 1, l.Attempts)
	require.Equal(t, "it cannot be done", l.Cause)
	// Looking does not remove, and the other task is not held up.
	require.Equal(t, l, deadLetters(t, p, 1)[0])
	d = receive(t, p)
	require.NotEqual(t, buried, d.Task())
	require.NoError(t, d.Ack(t.Context()))
	receiveNothing(t, p)
}

func testDeadLetterOrder(t *testing.T, s suite) {
	p := s.start(t)
	const n = 5
	var died []caption.Task
	for i := range n {
		publish(t, p, task(i))
	}
	for range n {
		d := receive(t, p)
		died = append(died, d.Task())
		require.NoError(t, d.Bury(t.Context(), "bad"))
		deadLetters(t, p, len(died))
	}
	var listed []caption.Task
	ids := map[string]bool{}
	for _, l := range deadLetters(t, p, n) {
		listed = append(listed, l.Task)
		ids[l.ID] = true
	}
	require.Equal(t, died, listed)
	require.Len(t, ids, n)
	some, err := p.DeadLetters(t.Context(), 2)
	require.NoError(t, err)
	require.Len(t, some, 2)
	require.Equal(t, died[0], some[0].Task)
	require.Equal(t, died[1], some[1].Task)
}

func testDeadLetterRetry(t *testing.T, s suite) {
	p := s.start(t)
	publish(t, p, task(0))
	for attempt := 1; attempt <= s.MaxAttempts; attempt++ {
		require.NoError(t, receiveTask(t, p, task(0), attempt).Retry(t.Context(), 0, "bad"))
	}
	l := deadLetters(t, p, 1)[0]
	require.NoError(t, p.RetryDeadLetter(t.Context(), l.ID))
	deadLetters(t, p, 0)
	requireKind(t, caption.KindNotFound, p.RetryDeadLetter(t.Context(), l.ID))
	requireKind(t, caption.KindNotFound, p.DropDeadLetter(t.Context(), l.ID))
	// It has all its attempts again.
	for attempt := 1; attempt < s.MaxAttempts; attempt++ {
		require.NoError(t, receiveTask(t, p, task(0), attempt).Retry(t.Context(), 0, "bad"))
	}
	require.NoError(t, receiveTask(t, p, task(0), s.MaxAttempts).Ack(t.Context()))
	requireStats(t, p, 0, 0, 0)
}

func testDeadLetterDrop(t *testing.T, s suite) {
	p := s.start(t)
	publish(t, p, task(0), task(1))
	require.NoError(t, receive(t, p).Bury(t.Context(), "bad"))
	live := receive(t, p)
	l := deadLetters(t, p, 1)[0]
	require.NoError(t, p.DropDeadLetter(t.Context(), l.ID))
	deadLetters(t, p, 0)
	for _, id := range []string{l.ID, "", "0", "1", "2", "-1", "999999", "no such id", "1; drop table task"} {
		requireKind(t, caption.KindNotFound, p.DropDeadLetter(t.Context(), id))
		requireKind(t, caption.KindNotFound, p.RetryDeadLetter(t.Context(), id))
	}
	require.NoError(t, live.Ack(t.Context()))
	requireStats(t, p, 0, 0, 0)
}
