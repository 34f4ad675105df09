package app

import (
	"context"
	"slices"
	"sync"
	"time"
)

// running knows which goroutines still run, by name, so that the ones that hang can be told.
type running struct {
	mu    sync.Mutex
	live  []string
	ended chan struct{} // closed and replaced whenever one ends
}

func newRunning() *running { return &running{ended: make(chan struct{})} }

func (r *running) start(name string, run func()) {
	r.add(name)
	go func() {
		defer r.remove(name)
		run()
	}()
}

func (r *running) add(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = append(r.live, name)
}

func (r *running) remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.live, name)
	r.live = slices.Delete(r.live, i, i+1)
	close(r.ended)
	r.ended = make(chan struct{})
}

// names returns those that still run.
func (r *running) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.live)
}

// wait returns true when none runs any more, and false when ctx ends or the timeout passes before that.
func (r *running) wait(ctx context.Context, timeout time.Duration) bool {
	t := time.NewTimer(timeout)
	defer t.Stop()
	for {
		r.mu.Lock()
		n, ended := len(r.live), r.ended
		r.mu.Unlock()
		if n == 0 {
			return true
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return false
		case <-t.C:
			return false
		}
	}
}

// wait sleeps for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
