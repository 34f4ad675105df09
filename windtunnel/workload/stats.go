package workload

// Stats is what became of the load of one workload. What arrived was served, failed, or is still there; tests hold every
// model to that.
type Stats struct {
	Arrived, Served, Failed                   uint64
	TimedOut, Retried, Disrupted, Redelivered uint64
	// Latency is from the first arrival to the end, of what was served; Waiting the part before its service began.
	Latency, Waiting *Histogram
	// Recent is the latency since it was last reset.
	Recent *Histogram
	// Promises are what SLOs ask for.
	Promises []*Promise

	backlog int
	oldest  float64
}

// Promise counts how much of the finished work was served, and within a limit of seconds if there is one (else 0).
type Promise struct {
	Limit     float64
	Kept, All uint64
}

func newStats() Stats {
	return Stats{Latency: NewHistogram(), Waiting: NewHistogram(), Recent: NewHistogram()}
}

func (s *Stats) served(latency, waiting float64) {
	s.Latency.Add(latency)
	s.Waiting.Add(waiting)
	s.Recent.Add(latency)
	s.keep(latency)
}

func (s *Stats) keep(latency float64) {
	for _, p := range s.Promises {
		p.All++
		if p.Limit == 0 || latency <= p.Limit {
			p.Kept++
		}
	}
}

func (s *Stats) failed() {
	for _, p := range s.Promises {
		p.All++
	}
}
