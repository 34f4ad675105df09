package workload

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"

	"k8s-scalers/windtunnel/cluster"
)

// Balance is how requests find a pod.
type Balance string

// Ways to balance. Random is what kube-proxy's iptables do; LeastLoaded is a proxy that knows which pod is free first.
const (
	Random      Balance = "random"
	RoundRobin  Balance = "round-robin"
	LeastLoaded Balance = "least-loaded"
)

// RequestModel says what a request costs and how patient its client is.
type RequestModel struct {
	Load    Load
	Service Distribution
	// CPU is the share of the service time that a request computes: 1 is a full core.
	CPU float64
	// IdleCPU is what a pod uses without requests, in cores.
	IdleCPU float64
	// Memory of a pod is Base plus PerRequest for each request in it, in bytes.
	MemoryBase, MemoryPerRequest float64
	// Concurrency is how many requests a pod handles at once.
	Concurrency int
	// Timeout is when a client gives up; it tries again Retries times, each after Backoff.
	Timeout time.Duration
	Retries int
	Backoff time.Duration
	Balance Balance
}

// Requests serves requests with the pods that it is given.
type Requests struct {
	Stats
	model RequestModel
	// arrivals, and the work that they bring, are drawn apart from the rest, so that the same seed brings the same load whatever the
	// pods do.
	arrivals, rand *rand.Rand
	now            float64
	servers        []*server
	byPod          map[*cluster.Pod]*server
	ready          []*server
	retries        retryHeap
	turn           int
}

// server is a pod as a queue.
type server struct {
	pod   *cluster.Pod
	free  freeHeap
	limit float64
	// flight is what has arrived at this pod and has not left it at the end of a step.
	flight []request
	// used is the CPU time in seconds since it was read last.
	used float64
}

type request struct {
	// first is when the client asked for the first time, arrived when this attempt did.
	first, arrived, start, end float64
	// work is how long its service takes on an idle pod, whichever attempt it is.
	work    float64
	left    int
	timeout bool
}

type retry struct {
	at, first, work float64
	left            int
}

// NewRequests starts without pods.
func NewRequests(model RequestModel, seed *rand.Rand) *Requests {
	return &Requests{Stats: newStats(), model: model, arrivals: split(seed), rand: seed, byPod: map[*cluster.Pod]*server{}}
}

// Advance lets a step of time pass with the pods as they are: those that are started have a queue, those that are ready get
// requests.
func (r *Requests) Advance(pods []*cluster.Pod, step time.Duration) {
	r.enter(pods)
	from, to := r.now, r.now+step.Seconds()
	rate := r.model.Load.Rate(time.Duration(math.Round(from * float64(time.Second))))
	r.finish(from, to)
	next := math.Inf(1)
	if rate > 0 {
		next = from + r.arrivals.ExpFloat64()/rate
	}
	for {
		if len(r.retries) > 0 && r.retries[0].at < min(next, to) {
			again := heap.Pop(&r.retries).(retry)
			r.attempt(request{first: again.first, arrived: again.at, work: again.work, left: again.left}, to)
			continue
		}
		if next >= to {
			break
		}
		r.Arrived++
		r.attempt(request{first: next, arrived: next, work: r.model.Service.Draw(r.arrivals), left: r.model.Retries}, to)
		next += r.arrivals.ExpFloat64() / rate
	}
	r.account(step.Seconds())
	r.now = to
}

// enter brings the servers in line with the pods.
func (r *Requests) enter(pods []*cluster.Pod) {
	r.servers, r.ready = r.servers[:0], r.ready[:0]
	for _, pod := range pods {
		if pod.Started.IsZero() {
			continue
		}
		s := r.byPod[pod]
		if s == nil {
			s = &server{pod: pod, free: make(freeHeap, r.model.Concurrency), limit: cpuLimit(pod)}
			for i := range s.free {
				s.free[i] = r.now
			}
			r.byPod[pod] = s
		}
		r.servers = append(r.servers, s)
		if pod.Ready && !pod.Stopping {
			r.ready = append(r.ready, s)
		}
	}
}

// finish lets the requests that were in the pods when the step began go on.
func (r *Requests) finish(from, to float64) {
	for _, s := range r.servers {
		kept := s.flight[:0]
		for _, q := range s.flight {
			s.used += r.cpu(q, from, to)
			if q.end < to {
				r.leave(q)
			} else {
				kept = append(kept, q)
			}
		}
		s.flight = kept
	}
}

// attempt sends one request to a pod and decides its fate, which holds unless the pod is killed.
func (r *Requests) attempt(q request, to float64) {
	s := r.pick()
	if s == nil {
		r.again(q, q.arrived)
		return
	}
	q.start = max(q.arrived, s.free[0])
	deadline := q.arrived + r.model.Timeout.Seconds()
	if q.start >= deadline {
		// The client is gone before its turn comes; until then it stands in the queue.
		q.start, q.end, q.timeout = deadline, deadline, true
	} else {
		q.end = q.start + q.work*(1+r.model.CPU*(r.slowdown(s, q.start)-1))
		if q.end > deadline {
			q.end, q.timeout = deadline, true
		}
		s.free.replace(q.end)
	}
	if q.end < to {
		s.used += r.cpu(q, q.start, to)
		r.leave(q)
		return
	}
	s.used += r.cpu(q, q.arrived, to)
	s.flight = append(s.flight, q)
}

// slowdown is by how much the CPU limit stretches the computing of a request that starts now.
func (r *Requests) slowdown(s *server, at float64) float64 {
	if s.limit <= 0 || float64(len(s.free))*r.model.CPU <= s.limit {
		return 1
	}
	busy := 1
	for _, free := range s.free[1:] {
		if free > at {
			busy++
		}
	}
	return max(1, float64(busy)*r.model.CPU/s.limit)
}

// cpu is the CPU time that a request used between two moments.
func (r *Requests) cpu(q request, from, to float64) float64 {
	return r.model.CPU * max(0, min(q.end, to)-max(q.start, from))
}

func (r *Requests) pick() *server {
	switch n := len(r.ready); {
	case n == 0:
		return nil
	case n == 1:
		return r.ready[0]
	case r.model.Balance == RoundRobin:
		r.turn++
		return r.ready[r.turn%n]
	case r.model.Balance == LeastLoaded:
		best := r.ready[0]
		for _, s := range r.ready[1:] {
			if s.free[0] < best.free[0] {
				best = s
			}
		}
		return best
	default:
		return r.ready[r.rand.IntN(n)]
	}
}

func (r *Requests) leave(q request) {
	if q.timeout {
		r.TimedOut++
		r.again(q, q.end)
		return
	}
	r.Served++
	r.served(q.end-q.first, q.start-q.arrived)
}

// again is what a client does whose request failed at a moment.
func (r *Requests) again(q request, at float64) {
	if q.left == 0 {
		r.Failed++
		r.failed()
		return
	}
	r.Retried++
	heap.Push(&r.retries, retry{at: at + r.model.Backoff.Seconds(), first: q.first, work: q.work, left: q.left - 1})
}

// account adds up what the step cost.
func (r *Requests) account(step float64) {
	r.backlog, r.oldest = len(r.retries), math.Inf(1)
	for _, again := range r.retries {
		r.oldest = min(r.oldest, again.first)
	}
	for _, s := range r.servers {
		s.used += r.model.IdleCPU * step
		r.backlog += len(s.flight)
		for _, q := range s.flight {
			r.oldest = min(r.oldest, q.first)
		}
	}
}

// Idle implements cluster.Work.
func (r *Requests) Idle(pod *cluster.Pod) bool {
	s := r.byPod[pod]
	return s == nil || len(s.flight) == 0
}

// Kill implements cluster.Work. The pod starts afresh if it is shown again.
func (r *Requests) Kill(pod *cluster.Pod) {
	s := r.byPod[pod]
	if s == nil {
		return
	}
	delete(r.byPod, pod)
	for _, q := range s.flight {
		r.Disrupted++
		r.again(q, r.now)
	}
}

// Usage is the CPU time in seconds that a pod used since it was asked last, and the memory that it uses now.
func (r *Requests) Usage(pod *cluster.Pod) (cpuSeconds, memory float64) {
	if s := r.byPod[pod]; s != nil {
		cpuSeconds, s.used = s.used, 0
	}
	return cpuSeconds, r.Memory(pod)
}

// Memory is what a pod uses now, in bytes.
func (r *Requests) Memory(pod *cluster.Pod) float64 {
	memory := r.model.MemoryBase
	if s := r.byPod[pod]; s != nil {
		memory += r.model.MemoryPerRequest * float64(len(s.flight))
	}
	return memory
}

// Gone forgets a pod that has left.
func (r *Requests) Gone(pod *cluster.Pod) { delete(r.byPod, pod) }

// Backlog is what has arrived and is neither done nor given up, and the age of the oldest of it in seconds.
func (r *Requests) Backlog() (count int, oldest float64) {
	if r.backlog == 0 {
		return 0, 0
	}
	return r.backlog, r.now - r.oldest
}

func cpuLimit(pod *cluster.Pod) float64 {
	var sum float64
	for _, c := range pod.Containers {
		if c.CPULimit <= 0 {
			return 0
		}
		sum += c.CPULimit
	}
	return sum
}

// freeHeap holds the times at which the servers of a pod become free, the earliest first.
type freeHeap []float64

// replace puts a later time in place of the earliest.
func (h freeHeap) replace(with float64) {
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1] < h[child] {
			child++
		}
		if h[child] >= with {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = with
}

type retryHeap []retry

func (h retryHeap) Len() int { return len(h) }
func (h retryHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].first < h[j].first
}
func (h retryHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *retryHeap) Push(x any)   { *h = append(*h, x.(retry)) }
func (h *retryHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
