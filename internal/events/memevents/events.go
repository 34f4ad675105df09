// Package memevents tells of changes, keeps tickets and limits rates in the memory of the process, for the deployment in
// which one process is all there is. Nothing here outlives the process; nothing here starts a goroutine.
package memevents

import (
	"context"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/events/fanout"
)

// Events implements [caption.Events].
type Events struct{ hub *fanout.Hub }

// NewEvents returns events without subscribers.
func NewEvents() *Events { return &Events{fanout.NewHub()} }

// PublishEvent gives e to the subscribers of its job, who share what e points to and must not change it.
func (h *Events) PublishEvent(_ context.Context, e caption.Event) error {
	h.hub.Send(e)
	return nil
}

// Subscribe subscribes to the events of a job.
func (h *Events) Subscribe(ctx context.Context, jobID string) (<-chan *caption.Event, func(), error) {
	return h.hub.Subscribe(ctx, jobID)
}
