package caption

import (
	"context"
	"time"
)

// TaskKind is the kind of a task.
type TaskKind string

// The kinds of task.
const (
	Prepare    TaskKind = "prepare"    // probe, extract the audio, cut it into segments, store them
	Transcribe TaskKind = "transcribe" // recognise one segment
	Assemble   TaskKind = "assemble"   // merge the words, cut cues, store the transcript
)

// Task is one piece of work on the queue. Handling the same task twice has the effect of handling it once.
type Task struct {
	Kind    TaskKind `json:"kind"`
	JobID   string   `json:"job_id"`
	Run     int      `json:"run"`               // Job.Run at publication
	Segment int      `json:"segment,omitempty"` // for Transcribe
	// Trace carries the trace context (W3C traceparent) of the request that led here; may be empty.
	Trace string `json:"trace,omitempty"`
}

// Publisher puts tasks on the queue. It is safe for concurrent use.
type Publisher interface {
	// Publish returns nil when the queue has stored all tasks durably. After an error some may be on the queue.
	Publish(ctx context.Context, tasks ...Task) error
}

// Consumer takes tasks from the queue. It is safe for concurrent use: several goroutines may wait in Receive.
type Consumer interface {
	// Receive waits for a task and takes it. Delivery is at least once: a task whose holder dies, or stops answering for
	// the queue's visibility timeout, is delivered again. While the process lives and the delivery is not settled, the
	// adapter keeps the task taken (heartbeat). Receive returns ctx.Err() when ctx ends.
	Receive(ctx context.Context) (Delivery, error)
}

// Delivery is a task that was taken. Exactly one of Ack, Release, Retry and Bury settles it. After the task was lost, or
// settled, they return [KindConflict] and change nothing. After another error the delivery is not settled, and another
// try may be made; but the task is no longer kept taken, so that it comes back when nobody makes one.
type Delivery interface {
	Task() Task
	// Attempt counts deliveries that were not given back by Release, this one included: 1 the first time.
	Attempt() int
	// Lost is closed when the queue has taken the task back, so that another consumer may have it.
	Lost() <-chan struct{}
	Settler
}

// Settler ends a delivery.
type Settler interface {
	// Ack removes the task from the queue.
	Ack(ctx context.Context) error
	// Release gives the task back at once, and this delivery does not count as an attempt: for a shutdown.
	Release(ctx context.Context) error
	// Retry gives the task back to be delivered again after a pause; cause is kept for operators. At the limit of
	// deliveries the task becomes a dead letter instead.
	Retry(ctx context.Context, after time.Duration, cause string) error
	// Bury makes the task a dead letter now.
	Bury(ctx context.Context, cause string) error
}

// DeadLetter is a task that was given up.
type DeadLetter struct {
	ID       string
	Task     Task
	Attempts int
	Cause    string
	Died     time.Time
}

// DeadLetters gives operators, and the service that must fail their jobs, access to tasks that were given up.
type DeadLetters interface {
	// DeadLetters returns at most limit of them, oldest first, without removing them.
	DeadLetters(ctx context.Context, limit int) ([]DeadLetter, error)
	// RetryDeadLetter puts the task back on the queue with its attempts at 0. [KindNotFound] for an unknown id.
	RetryDeadLetter(ctx context.Context, id string) error
	// DropDeadLetter removes it. [KindNotFound] for an unknown id.
	DropDeadLetter(ctx context.Context, id string) error
}

// Unknown stands in for a figure of [QueueStats] that the queue cannot tell. It is no error: that queue never can.
const Unknown = -1

// QueueStats describes the backlog.
type QueueStats struct {
	Ready     int           // waiting, including those that wait for a retry
	Taken     int           // delivered and not settled; may be Unknown
	Dead      int           // dead letters
	OldestAge time.Duration // age of the oldest task that is Ready; 0 when none is; may be Unknown
}

// QueueStatser tells the backlog. A failed read is an error, never an empty queue.
type QueueStatser interface {
	QueueStats(ctx context.Context) (QueueStats, error)
}
