package embeddeds3

import (
	"sync"
	"time"
)

// flights counts the requests that are being served, and waits for them to end.
type flights struct {
	mu     sync.Mutex
	n      int
	closed bool
	empty  chan struct{} // closed when the last one ends, once no more may begin
}

// begin counts a request; it returns false where none may begin any more.
func (f *flights) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.n++
	return true
}

func (f *flights) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.closed {
		close(f.empty)
	}
}

// land lets no more requests begin, and waits for those that are under way.
func (f *flights) land(timeout time.Duration) {
	f.mu.Lock()
	f.closed, f.empty = true, make(chan struct{})
	if f.n == 0 {
		close(f.empty)
	}
	f.mu.Unlock()
	select {
	case <-f.empty:
	case <-time.After(timeout):
	}
}
