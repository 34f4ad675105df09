// Package memevents tells of changes, keeps tickets and limits rates in the memory of the process, for the deployment in
// which one process is all there is. Nothing here outlives the process; nothing here starts a goroutine.
package memevents

import (
	"context"
	"sync"

	"k8s-scalers/internal/caption"
)

// buffer is how many events a subscriber may be behind. A subscriber further behind is better served by a new snapshot.
const buffer = 32

// Events implements [caption.Events].
type Events struct {
	mu   sync.Mutex
	jobs map[string]map[*subscriber]struct{}
}

type subscriber struct{ events chan caption.Event }

// NewEvents returns a hub without subscribers.
func NewEvents() *Events { return &Events{jobs: map[string]map[*subscriber]struct{}{}} }

// PublishEvent gives e to the subscribers of its job, who share what e points to and must not change it.
func (h *Events) PublishEvent(_ context.Context, e caption.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.jobs[e.Job.ID] {
		select {
		case s.events <- e:
		default:
			h.remove(e.Job.ID, s)
		}
	}
	return nil
}

// Subscribe subscribes to the events of a job.
func (h *Events) Subscribe(ctx context.Context, jobID string) (<-chan caption.Event, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s := &subscriber{events: make(chan caption.Event, buffer)}
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

// remove closes the subscriber's channel, once. The caller holds mu, under which alone there are sends.
func (h *Events) remove(jobID string, s *subscriber) {
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
