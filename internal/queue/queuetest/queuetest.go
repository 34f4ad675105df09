// Package queuetest is the conformance suite of the task queue: what every adapter of [caption.Publisher],
// [caption.Consumer], [caption.DeadLetters] and [caption.QueueStatser] must do, whatever it is made of. Where queues
// really differ, [Features] says so.
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// Process stands for one process that uses the queue; what it starts is stopped when the test ends.
type Process interface {
	caption.Publisher
	caption.Consumer
	caption.DeadLetters
	caption.QueueStatser
	// Close ends it in good order. It settles nothing.
	Close(t *testing.T)
	// Kill ends it as kill -9 does: nothing more is said to the queue.
	Kill(t *testing.T)
	// Expel makes the queue take back all tasks of the process while it lives on, as after a broken connection.
	Expel(t *testing.T)
	// Stall stops the signs of life by which the process keeps its tasks, and leaves all else.
	Stall(t *testing.T)
}

// Features says what is particular to a queue.
type Features struct {
	// MaxAttempts is the limit of deliveries that the queue is opened with; at least 2.
	MaxAttempts int
	// Visibility is how long a stalled process keeps its tasks. The suite waits that long several times.
	Visibility time.Duration
	// StrictOrder: a lone consumer gets tasks in the order of publication. Else the suite demands each task, in any order.
	StrictOrder bool
	// OldestAge: QueueStats tells it. Else it must be [caption.Unknown].
	OldestAge bool
}

// Run runs the suite. For each test, place makes a new, empty queue and returns the function that starts a process on it.
func Run(t *testing.T, f Features, place func(t *testing.T) (start func(t *testing.T) Process)) {
	require.GreaterOrEqual(t, f.MaxAttempts, 2)
	for name, test := range map[string]func(*testing.T, suite){
		"Content":             testContent,
		"Order":               testOrder,
		"PublishWakes":        testPublishWakes,
		"CancelledReceive":    testCancelledReceive,
		"NoDoubleDelivery":    testNoDoubleDelivery,
		"Release":             testRelease,
		"RetryDelay":          testRetryDelay,
		"RetryLimit":          testRetryLimit,
		"Bury":                testBury,
		"DeadLetterOrder":     testDeadLetterOrder,
		"DeadLetterRetry":     testDeadLetterRetry,
		"DeadLetterDrop":      testDeadLetterDrop,
		"SettledTwice":        testSettledTwice,
		"Fencing":             testFencing,
		"HeldAsLongAsAlive":   testHeld,
		"StalledHolder":       testStalled,
		"KilledHolder":        testKilled,
		"KilledAtEachAttempt": testKilledAtEachAttempt,
		"Durable":             testDurable,
		"Stats":               testStats,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, suite{Features: f, start: place(t)})
		})
	}
}

type suite struct {
	Features
	start func(t *testing.T) Process
}

const (
	// patience is how long something that must happen may take before the test gives up on it.
	patience = 30 * time.Second
	// glance is how long the suite looks for something that must not happen.
	glance = 100 * time.Millisecond
)

func task(i int) caption.Task {
	return caption.Task{Kind: caption.Transcribe, JobID: fmt.Sprintf("job%d", i), Run: 1, Segment: i}
}

func publish(t *testing.T, p Process, tasks ...caption.Task) {
	t.Helper()
	require.NoError(t, p.Publish(t.Context(), tasks...))
}

// receive returns the next delivery, which must come.
func receive(t *testing.T, p Process) caption.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d, err := p.Receive(ctx)
	require.NoError(t, err)
	return d
}

// receiveTask returns the next delivery, which must be of this task, for the given time.
func receiveTask(t *testing.T, p Process, want caption.Task, attempt int) caption.Delivery {
	t.Helper()
	d := receive(t, p)
	require.Empty(t, cmp.Diff(want, d.Task()))
	require.Equal(t, attempt, d.Attempt())
	requireHeld(t, d)
	return d
}

// receiveNothing looks for a delivery, which must not come.
func receiveNothing(t *testing.T, p Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), glance)
	defer cancel()
	d, err := p.Receive(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Nil(t, d)
}

func requireHeld(t *testing.T, d caption.Delivery) {
	t.Helper()
	select {
	case <-d.Lost():
		require.FailNow(t, "the task was lost")
	default:
	}
}

func requireLost(t *testing.T, d caption.Delivery) {
	t.Helper()
	select {
	case <-d.Lost():
	case <-time.After(patience):
		require.FailNow(t, "the task was not lost")
	}
}

func requireKind(t *testing.T, want caption.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, caption.KindOf(err), "%v", err)
}

// requireConflicts tries every way to settle.
func requireConflicts(t *testing.T, d caption.Delivery) {
	t.Helper()
	requireKind(t, caption.KindConflict, d.Ack(t.Context()))
	requireKind(t, caption.KindConflict, d.Release(t.Context()))
	requireKind(t, caption.KindConflict, d.Retry(t.Context(), 0, "too late"))
	requireKind(t, caption.KindConflict, d.Retry(t.Context(), time.Hour, "too late"))
	requireKind(t, caption.KindConflict, d.Bury(t.Context(), "too late"))
}

// requireStats waits for the numbers of tasks; a queue may tell them late.
func requireStats(t *testing.T, p Process, ready, taken, dead int) caption.QueueStats {
	t.Helper()
	want := caption.QueueStats{Ready: ready, Taken: taken, Dead: dead}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		s, err := p.QueueStats(t.Context())
		require.NoError(t, err)
		got := s
		got.OldestAge = 0
		if got == want {
			return s
		}
		if time.Now().After(deadline) {
			require.Equal(t, want, got)
		}
	}
}

// deadLetters waits for n dead letters; a queue may list them late.
func deadLetters(t *testing.T, p Process, n int) []caption.DeadLetter {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		letters, err := p.DeadLetters(t.Context(), 100)
		require.NoError(t, err)
		if len(letters) == n {
			return letters
		}
		if time.Now().After(deadline) {
			require.Len(t, letters, n)
		}
	}
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
