package caption

import (
	"context"
	"time"
)

// Event says that a job has changed. It carries the whole state, so that a subscriber needs no earlier event.
type Event struct {
	Job Job `json:"job"`
	// Segment is the result whose arrival is the change; nil for other changes.
	Segment *SegmentResult `json:"segment,omitempty"`
}

// Events tells subscribers of changes, at most once and in order per publisher. It is a hint, not a record: the record
// is the store. So a subscriber first subscribes, then reads the snapshot, then drops events with a Seq at or
// below it, and reads the snapshot again when a Seq is skipped or the channel is closed. Safe for concurrent use.
type Events interface {
	// PublishEvent does not wait for subscribers.
	PublishEvent(ctx context.Context, e Event) error
	// Subscribe returns the events of one job from now on, until cancel is called; ctx bounds the call only. What an event
	// points to is shared by all who receive it and must not be changed. The channel is closed when the subscriber
	// was too slow, or the connection to the backend broke, so that events may have been missed; subscribing anew and
	// reading the snapshot is then right. cancel is idempotent and closes the channel.
	Subscribe(ctx context.Context, jobID string) (events <-chan *Event, cancel func(), err error)
}

// Tickets are single-use, short-lived stand-ins for a token where a browser cannot send a header. Safe for concurrent use.
type Tickets interface {
	// IssueTicket returns an unguessable ticket that stands for value until it expires.
	IssueTicket(ctx context.Context, value string, ttl time.Duration) (ticket string, err error)
	// RedeemTicket returns the value and forgets the ticket. [KindUnauthenticated] for an unknown, used or expired one.
	RedeemTicket(ctx context.Context, ticket string) (value string, err error)
}

// Limiter limits how often something happens. Safe for concurrent use.
type Limiter interface {
	// Allow counts one event under key, of which at most n are allowed in each window. A key's window starts with its
	// first event, and the next one with the first event after its end. When the event is not allowed, it is not counted,
	// and retryAfter says when the next one will be.
	Allow(ctx context.Context, key string, n int, window time.Duration) (ok bool, retryAfter time.Duration, err error)
}
