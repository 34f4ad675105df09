package upload

import (
	"context"
	"fmt"
	"sync"
)

// locks are locks by name. The zero value is ready for use.
type locks struct {
	mu    sync.Mutex
	named map[string]*named
}

// named is a lock that somebody holds or waits for.
type named struct {
	held  chan struct{} // has a value while it is held
	users int           // who hold it or wait for it
}

// lock waits until nobody else holds the lock of that name, or ctx ends.
func (l *locks) lock(ctx context.Context, name string) (unlock func(), err error) {
	l.mu.Lock()
	n := l.named[name]
	if n == nil {
		if l.named == nil {
			l.named = map[string]*named{}
		}
		n = &named{held: make(chan struct{}, 1)}
		l.named[name] = n
	}
	n.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if n.users--; n.users == 0 {
			delete(l.named, name)
		}
	}
	select {
	case n.held <- struct{}{}:
		return func() { <-n.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("wait for another request about the same upload: %w", ctx.Err())
	}
}
