package worker

import (
	"context"
	"sync"
	"time"
)

// idleness knows since when there is nothing to do.
type idleness struct {
	mu      sync.Mutex
	running int
	since   time.Time // the end of the last task, or the beginning
}

func (i *idleness) begin() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.running++
}

func (i *idleness) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.running--
	i.since = time.Now()
}

// wait calls then when there was nothing to do for so long, unless ctx ends before that.
func (i *idleness) wait(ctx context.Context, long time.Duration, then func()) {
	i.mu.Lock()
	i.since = time.Now()
	i.mu.Unlock()
	for {
		i.mu.Lock()
		left := long - time.Since(i.since)
		if i.running > 0 {
			left = long
		}
		i.mu.Unlock()
		if left <= 0 {
			then()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(left):
		}
	}
}
