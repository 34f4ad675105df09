package workload

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"

	"k8s-scalers/windtunnel/cluster"
)

// JobModel says what a job costs. A stage whose distribution has the mean 0 is left out.
type JobModel struct {
	Load                       Load
	SegmentsLow, SegmentsHigh  int
	Window                     int
	Prepare, Segment, Assemble Distribution
	// CPU is what a task uses in cores, Memory in bytes.
	CPU, Memory float64
	// IdleCPU and MemoryBase are what a pod uses without tasks.
	IdleCPU, MemoryBase float64
	Workers, Prefetch   int
}

// Jobs works through a queue with the pods that it is given.
type Jobs struct {
	Stats
	model JobModel
	// arrivals and sizes are drawn apart from what pods do, as those of requests are.
	arrivals *rand.Rand
	now      float64
	queue    []*task
	open     map[*job]struct{}
	// order is the open jobs by arrival, with finished ones still among them.
	order   []*job
	workers []*worker
	byPod   map[*cluster.Pod]*worker
	events  completions
	turn    int
	// published and delivered count messages, each redelivery again.
	published, delivered uint64
}

type job struct {
	arrived               float64
	segments, sent, ended int
	begun, done           bool
	// rand draws the work of its tasks.
	rand *rand.Rand
}

type stage int

const (
	preparing stage = iota
	transcribing
	assembling
)

// task is a message. Its work is drawn once, so that a second delivery takes as long as the first would have.
type task struct {
	job     *job
	stage   stage
	service float64
}

type worker struct {
	pod       *cluster.Pod
	limit     float64
	consuming bool
	gone      bool
	// busy is what each slot works on; nil is idle. held was prefetched.
	busy []*assignment
	held []*task
	used float64
}

type assignment struct {
	task       *task
	worker     *worker
	slot       int
	start, end float64
}

// NewJobs starts without pods.
func NewJobs(model JobModel, seed *rand.Rand) *Jobs {
	return &Jobs{Stats: newStats(), model: model, arrivals: seed, open: map[*job]struct{}{}, byPod: map[*cluster.Pod]*worker{}}
}

// Advance lets a step of time pass with the pods as they are: those that are ready take tasks.
func (j *Jobs) Advance(pods []*cluster.Pod, step time.Duration) {
	j.enter(pods)
	from, to := j.now, j.now+step.Seconds()
	rate := j.model.Load.Rate(time.Duration(math.Round(from * float64(time.Second))))
	next := math.Inf(1)
	if rate > 0 {
		next = from + j.arrivals.ExpFloat64()/rate
	}
	j.dispatch(from)
	for {
		if len(j.events) > 0 && j.events[0].end < min(next, to) {
			done := heap.Pop(&j.events).(*assignment)
			if !done.worker.gone {
				j.complete(done)
			}
			continue
		}
		if next >= to {
			break
		}
		j.arrive(next)
		j.dispatch(next)
		next += j.arrivals.ExpFloat64() / rate
	}
	j.account(from, to)
	j.now = to
}

func (j *Jobs) enter(pods []*cluster.Pod) {
	j.workers = j.workers[:0]
	for _, pod := range pods {
		if pod.Started.IsZero() {
			continue
		}
		w := j.byPod[pod]
		if w == nil {
			w = &worker{pod: pod, limit: cpuLimit(pod), busy: make([]*assignment, j.model.Workers)}
			j.byPod[pod] = w
		}
		w.consuming = pod.Ready && !pod.Stopping
		if pod.Stopping && len(w.held) > 0 {
			j.giveBack(w.held)
			w.held = nil
		}
		j.workers = append(j.workers, w)
	}
}

func (j *Jobs) arrive(at float64) {
	j.Arrived++
	segments := j.model.SegmentsLow
	if more := j.model.SegmentsHigh - j.model.SegmentsLow; more > 0 {
		segments += j.arrivals.IntN(more + 1)
	}
	arrived := &job{arrived: at, segments: segments, rand: split(j.arrivals)}
	j.open[arrived] = struct{}{}
	j.order = append(j.order, arrived)
	if j.model.Prepare.Mean() > 0 {
		j.send(arrived, preparing)
		return
	}
	j.sendSegments(arrived)
}

func (j *Jobs) send(of *job, stage stage) {
	distribution := [...]Distribution{j.model.Prepare, j.model.Segment, j.model.Assemble}[stage]
	j.queue = append(j.queue, &task{of, stage, distribution.Draw(of.rand)})
	j.published++
}

func (j *Jobs) sendSegments(of *job) {
	for of.sent < of.segments && of.sent-of.ended < j.model.Window {
		of.sent++
		j.send(of, transcribing)
	}
}

// dispatch gives tasks to idle slots, then to those that prefetch, in turn.
func (j *Jobs) dispatch(at float64) {
	for _, capacity := range []func(*worker) bool{
		func(w *worker) bool { return j.idle(w) >= 0 },
		func(w *worker) bool { return len(w.held) < j.model.Prefetch },
	} {
		for refused := 0; len(j.queue) > 0 && refused < len(j.workers); {
			j.turn++
			w := j.workers[j.turn%len(j.workers)]
			if !w.consuming || !capacity(w) {
				refused++
				continue
			}
			refused = 0
			next := j.queue[0]
			j.queue[0] = nil
			j.queue = j.queue[1:]
			j.delivered++
			if slot := j.idle(w); slot >= 0 {
				j.begin(w, slot, next, at)
			} else {
				w.held = append(w.held, next)
			}
		}
	}
}

func (j *Jobs) idle(w *worker) int {
	for slot, busy := range w.busy {
		if busy == nil {
			return slot
		}
	}
	return -1
}

func (j *Jobs) begin(w *worker, slot int, t *task, at float64) {
	running := 1
	for _, other := range w.busy {
		if other != nil {
			running++
		}
	}
	service := t.service
	if w.limit > 0 {
		service *= max(1, float64(running)*j.model.CPU/w.limit)
	}
	a := &assignment{t, w, slot, at, at + service}
	w.busy[slot] = a
	heap.Push(&j.events, a)
	if !t.job.begun {
		t.job.begun = true
		j.Waiting.Add(at - t.job.arrived)
	}
}

func (j *Jobs) complete(a *assignment) {
	a.worker.used += j.cpuOf(a, j.now, a.end)
	a.worker.busy[a.slot] = nil
	switch of := a.task.job; a.task.stage {
	case preparing:
		j.sendSegments(of)
	case transcribing:
		of.ended++
		switch {
		case of.ended < of.segments:
			j.sendSegments(of)
		case j.model.Assemble.Mean() > 0:
			j.send(of, assembling)
		default:
			j.end(of, a.end)
		}
	case assembling:
		j.end(of, a.end)
	}
	if held := a.worker.held; len(held) > 0 {
		a.worker.held = held[1:]
		j.begin(a.worker, a.slot, held[0], a.end)
	}
	j.dispatch(a.end)
}

func (j *Jobs) end(of *job, at float64) {
	of.done = true
	delete(j.open, of)
	j.Served++
	latency := at - of.arrived
	j.Latency.Add(latency)
	j.Recent.Add(latency)
	j.keep(latency)
}

// giveBack puts tasks at the front of the queue in their order.
func (j *Jobs) giveBack(tasks []*task) {
	j.queue = append(append(make([]*task, 0, len(tasks)+len(j.queue)), tasks...), j.queue...)
}

func (j *Jobs) cpuOf(a *assignment, from, to float64) float64 {
	rate := j.model.CPU
	if a.worker.limit > 0 {
		running := 0
		for _, other := range a.worker.busy {
			if other != nil {
				running++
			}
		}
		rate = min(rate, a.worker.limit/float64(max(running, 1)))
	}
	return rate * max(0, min(a.end, to)-max(a.start, from))
}

func (j *Jobs) account(from, to float64) {
	for _, w := range j.workers {
		w.used += j.model.IdleCPU * (to - from)
		for _, a := range w.busy {
			if a != nil {
				w.used += j.cpuOf(a, from, to)
			}
		}
	}
	for len(j.order) > 0 && j.order[0].done {
		j.order = j.order[1:]
	}
}

// Idle implements cluster.Work.
func (j *Jobs) Idle(pod *cluster.Pod) bool {
	w := j.byPod[pod]
	if w == nil {
		return true
	}
	for _, a := range w.busy {
		if a != nil {
			return false
		}
	}
	return true
}

// Kill implements cluster.Work: what the pod had goes back to the front of the queue.
func (j *Jobs) Kill(pod *cluster.Pod) {
	w := j.byPod[pod]
	if w == nil {
		return
	}
	delete(j.byPod, pod)
	w.gone = true
	var back []*task
	for _, a := range w.busy {
		if a != nil {
			back = append(back, a.task)
		}
	}
	j.Disrupted += uint64(len(back))
	back = append(back, w.held...)
	j.Redelivered += uint64(len(back))
	j.giveBack(back)
}

// Gone implements cluster.Work.
func (j *Jobs) Gone(pod *cluster.Pod) { j.Kill(pod) }

// Usage is the CPU time in seconds that a pod used since it was asked last, and the memory that it uses now.
func (j *Jobs) Usage(pod *cluster.Pod) (cpuSeconds, memory float64) {
	if w := j.byPod[pod]; w != nil {
		cpuSeconds, w.used = w.used, 0
	}
	return cpuSeconds, j.Memory(pod)
}

// Memory is what a pod uses now, in bytes.
func (j *Jobs) Memory(pod *cluster.Pod) float64 {
	memory := j.model.MemoryBase
	if w := j.byPod[pod]; w != nil {
		for _, a := range w.busy {
			if a != nil {
				memory += j.model.Memory
			}
		}
	}
	return memory
}

// Backlog is the jobs that are not done, and the age of the oldest in seconds.
func (j *Jobs) Backlog() (count int, oldest float64) {
	if len(j.open) == 0 || len(j.order) == 0 {
		return 0, 0
	}
	return len(j.open), j.now - j.order[0].arrived
}

// Messages are the tasks on the queue: ready ones, and those that workers have not acknowledged yet.
func (j *Jobs) Messages() (ready, unacknowledged int) {
	for _, w := range j.byPod {
		unacknowledged += len(w.held)
		for _, a := range w.busy {
			if a != nil {
				unacknowledged++
			}
		}
	}
	return len(j.queue), unacknowledged
}

// Traffic is how many messages were ever published, and delivered to workers; one that is delivered twice counts twice.
func (j *Jobs) Traffic() (published, delivered uint64) { return j.published, j.delivered }

type completions []*assignment

func (c completions) Len() int { return len(c) }
func (c completions) Less(i, k int) bool {
	if c[i].end != c[k].end {
		return c[i].end < c[k].end
	}
	return c[i].start < c[k].start
}
func (c completions) Swap(i, k int) { c[i], c[k] = c[k], c[i] }
func (c *completions) Push(x any)   { *c = append(*c, x.(*assignment)) }
func (c *completions) Pop() any {
	old := *c
	last := old[len(old)-1]
	*c = old[:len(old)-1]
	return last
}
