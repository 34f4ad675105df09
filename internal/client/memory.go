package client

import "sync"

// MemorySessions keeps the session in memory, for programs that make accounts of their own. The zero value is ready; it
// is safe for concurrent use.
type MemorySessions struct {
	mu sync.Mutex
	s  Session
}

// Update implements [Sessions].
func (m *MemorySessions) Update(change func(*Session) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return change(&m.s)
}
