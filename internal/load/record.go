package load

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"k8s-scalers/internal/caption"
)

// recorder takes what is measured, from all goroutines of a load.
type recorder struct {
	server   string
	began    time.Time
	requests *requestStats // nil: none
	jobs     *jobStats     // nil: none

	mu          sync.Mutex
	faults      counts
	ended       time.Time
	interrupted bool
}

func (r *recorder) fault(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults.add(why)
}

func (r *recorder) end(interrupted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.interrupted = time.Now(), interrupted
}

// report is what was measured so far.
func (r *recorder) report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := Report{Server: r.server, Began: r.began, Interrupted: r.interrupted, Faults: maps.Clone(r.faults)}
	end := r.ended
	if end.IsZero() {
		end = time.Now()
	}
	rep.Seconds = end.Sub(r.began).Seconds()
	if r.requests != nil {
		rep.Requests = r.requests.report(r.began)
	}
	if r.jobs != nil {
		rep.Jobs = r.jobs.report(r.began)
	}
	return rep
}

// counts counts by cause.
type counts map[string]int

// maxCauses bounds how many causes are told apart, in case that they differ each time after all.
const maxCauses = 50

func (c *counts) add(why string) {
	if *c == nil {
		*c = counts{}
	}
	if _, known := (*c)[why]; !known && len(*c) >= maxCauses {
		why = "other"
	}
	(*c)[why]++
}

// times is a distribution, estimated in little memory.
type times struct {
	m vegeta.LatencyMetrics
	n int
}

func (t *times) add(d time.Duration) {
	t.n++
	t.m.Add(d)
}

func (t *times) report() *Latency {
	if t.n == 0 {
		return nil
	}
	q := func(part float64) float64 { return min(t.m.Quantile(part), t.m.Max).Seconds() }
	return &Latency{Mean: t.m.Total.Seconds() / float64(t.n), P50: q(.5), P90: q(.9), P95: q(.95), P99: q(.99), Max: t.m.Max.Seconds()}
}

// span is from the beginning of a load until its last event was due, or until now.
func span(began, stopped time.Time) float64 {
	if stopped.IsZero() {
		stopped = time.Now()
	}
	return stopped.Sub(began).Seconds()
}

// requestStats are about requests.
type requestStats struct {
	curve Curve
	sent  atomic.Uint64
	names []string

	mu   sync.Mutex
	by   map[string]*routeStats
	over time.Time
}

type routeStats struct {
	RequestReport
	share float64 // of all requests
	times times
}

func newRequestStats(requests []Request, c Curve) *requestStats {
	s := &requestStats{curve: c, by: map[string]*routeStats{}}
	for _, q := range requests {
		name := q.String()
		st := s.by[name]
		if st == nil {
			st = &routeStats{RequestReport: RequestReport{Request: name, Statuses: map[int]int{}, Errors: map[string]int{}}}
			s.by[name] = st
			s.names = append(s.names, name)
		}
		st.share += 1 / float64(len(requests))
	}
	return s
}

// done counts a request. status is 0 where there was no answer; failure is empty where all is well.
func (s *requestStats) done(name string, status uint16, latency time.Duration, failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.by[name]
	st.Done++
	if status != 0 {
		st.Statuses[int(status)]++
	}
	if failure != "" {
		st.Failed++
		(*counts)(&st.Errors).add(failure)
	}
	st.times.add(latency)
}

func (s *requestStats) unfinished(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by[name].Unfinished++
}

// stopped notes that no more requests come.
func (s *requestStats) stopped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = time.Now()
}

func (s *requestStats) report(began time.Time) []RequestReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := min(span(began, s.over), s.curve.Duration.Seconds())
	var all []RequestReport
	for _, name := range s.names {
		st := s.by[name]
		q := st.RequestReport
		q.Statuses, q.Errors, q.Latency = maps.Clone(q.Statuses), maps.Clone(q.Errors), st.times.report()
		if asked > 0 {
			q.AskedRate = st.share * s.curve.expected(asked) / asked
			q.Rate = float64(q.Done) / span(began, s.over)
		}
		all = append(all, q)
	}
	return all
}

// jobStats are about jobs.
type jobStats struct {
	curve Curve

	mu                      sync.Mutex
	r                       JobReport
	errors                  counts
	upload, queue, endToEnd times
	over                    time.Time
}

func newJobStats(c Curve) *jobStats { return &jobStats{curve: c} }

func (s *jobStats) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *jobStats) start()   { s.note(func() { s.r.Started++; s.r.Running++ }) }
func (s *jobStats) stopped() { s.note(func() { s.over = time.Now() }) }

func (s *jobStats) accept(upload time.Duration) {
	s.note(func() { s.r.Accepted++; s.upload.add(upload) })
}

func (s *jobStats) begin(queued time.Duration) { s.note(func() { s.queue.add(queued) }) }

func (s *jobStats) processed(took time.Duration, length *caption.Millis) {
	s.note(func() {
		s.r.Processed++
		s.r.Running--
		s.endToEnd.add(took)
		if length != nil {
			s.r.AudioSeconds += length.Seconds()
		}
	})
}

func (s *jobStats) failed(why string) {
	s.note(func() { s.r.Failed++; s.r.Running--; s.errors.add(why) })
}

func (s *jobStats) unfinished() { s.note(func() { s.r.Unfinished++; s.r.Running-- }) }

func (s *jobStats) report(began time.Time) *JobReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.r
	r.Upload, r.Queue, r.EndToEnd, r.Errors = s.upload.report(), s.queue.report(), s.endToEnd.report(), maps.Clone(s.errors)
	if asked := min(span(began, s.over), s.curve.Duration.Seconds()); asked > 0 {
		r.AskedRate = 60 * s.curve.expected(asked) / asked
	}
	return &r
}
