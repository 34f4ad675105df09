package memevents

import (
	"context"
	"sync"
	"time"
)

// Limiter implements [caption.Limiter] with fixed windows: the window of a key starts with its first event, so that at
// most 2n events happen in any stretch of time as long as one window. That is exact enough against guessing, and costs one
// counter a key.
type Limiter struct {
	now     func() time.Time
	mu      sync.Mutex
	windows map[string]window
	sweeper sweeper
}

type window struct {
	ends  time.Time
	count int
}

// NewLimiter returns a limiter that has counted nothing; now is the clock, nil means [time.Now].
func NewLimiter(now func() time.Time) *Limiter {
	if now == nil {
		now = time.Now
	}
	return &Limiter{now: now, windows: map[string]window{}}
}

// Allow counts an event.
func (l *Limiter) Allow(ctx context.Context, key string, n int, length time.Duration) (bool, time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return false, 0, err
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sweeper.due(now, len(l.windows)) {
		for key, w := range l.windows {
			if !now.Before(w.ends) {
				delete(l.windows, key)
			}
		}
		l.sweeper.swept(now, len(l.windows))
	}
	w, ok := l.windows[key]
	if !ok || !now.Before(w.ends) {
		w = window{ends: now.Add(length)}
	}
	if w.count >= n {
		return false, w.ends.Sub(now), nil
	}
	w.count++
	l.windows[key] = w
	return true, 0, nil
}
