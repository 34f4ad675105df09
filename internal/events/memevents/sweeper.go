package memevents

import "time"

// sweeper says when a map is to be cleared of what has expired, so that no goroutine must: each minute, and whenever
// the map has doubled. So sweeping costs a constant a call on average, and the map holds at most about twice what is
// alive. The zero value is ready for use.
type sweeper struct {
	next time.Time
	size int
}

const (
	sweepEvery   = time.Minute
	sweepMinimum = 1024 // below this size a map is not worth a sweep before its time
)

func (s *sweeper) due(now time.Time, size int) bool {
	return !now.Before(s.next) || size >= max(s.size, sweepMinimum)
}

func (s *sweeper) swept(now time.Time, size int) {
	s.next, s.size = now.Add(sweepEvery), 2*size
}
