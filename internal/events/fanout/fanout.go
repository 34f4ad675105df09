// Package fanout hands the events of jobs to those in this process who have subscribed to them. Where events come from
// is the business of the adapters that use it.
package fanout

import (
	"context"
	"sync"

	"k8s-scalers/internal/caption"
)

// buffer is how many events a subscriber may be behind. A subscriber further behind is better served by a new snapshot.
const buffer = 32

// Hub has the subscribers. It starts no goroutine.
type Hub struct {
	mu   sync.Mutex
	jobs map[string]map[*subscriber]struct{}
}

type subscriber struct{ events chan *caption.Event }

// NewHub returns a hub without subscribers.
func NewHub() *Hub { return &Hub{jobs: map[string]map[*subscriber]struct{}{}} }

// Send gives e to the subscribers of its job, who share what e points to and must not change it. A subscriber who is too
// far behind is dropped: its channel is closed.
func (h *Hub) Send(e caption.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.jobs[e.Job.ID] {
		select {
		case s.events <- &e:
		default:
			h.remove(e.Job.ID, s)
		}
	}
}

// Subscribe subscribes to the events of a job.
func (h *Hub) Subscribe(ctx context.Context, jobID string) (<-chan *caption.Event, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s := &subscriber{events: make(chan *caption.Event, buffer)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.jobs[jobID] == nil {
		h.jobs[jobID] = map[*subscriber]struct{}{}
	}
	h.jobs[jobID][s] = struct{}{}
	cancel := func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.remove(jobID, s)
	}
	return s.events, cancel, nil
}

// DropAll drops every subscriber, because events may have been missed.
func (h *Hub) DropAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for jobID, subscribers := range h.jobs {
		for s := range subscribers {
			h.remove(jobID, s)
		}
	}
}

// remove closes the subscriber's channel, once. The caller holds mu, under which alone there are sends.
func (h *Hub) remove(jobID string, s *subscriber) {
	subscribers := h.jobs[jobID]
	if _, ok := subscribers[s]; !ok {
		return
	}
	close(s.events)
	delete(subscribers, s)
	if len(subscribers) == 0 {
		delete(h.jobs, jobID)
	}
}
