package engine

import (
	"hash/fnv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/internal/vtime"
	"k8s-scalers/windtunnel/metrics"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
	"k8s-scalers/windtunnel/workload"
)

// model is what the pods of a workload do: workload.Requests or workload.Jobs.
type model interface {
	cluster.Work
	Advance(pods []*cluster.Pod, step time.Duration)
	Usage(pod *cluster.Pod) (cpuSeconds, memory float64)
	Memory(pod *cluster.Pod) float64
	Backlog() (count int, oldest float64)
}

// load is a Deployment and what its pods do; spec and model are nil where the scenario says nothing about it.
type load struct {
	namespace, name string
	selector        labels.Selector
	spec            *scenario.Workload
	model           model
	jobs            *workload.Jobs
	stats           *workload.Stats
	pods            []*cluster.Pod
	version         int
	slos            []*promise
	result          report.Workload

	// arrived is the count at the last point of the axis, arrivedAt the one at the last scrape.
	arrived, arrivedScraped uint64
	cpuSeconds, cpuWindow   float64
	cpu, memory             float64
}

func (l *load) id() string { return l.namespace + "/" + l.name }

// newLoad makes the model of a Deployment.
func (r *run) newLoad(deployment *appsv1.Deployment) (*load, error) {
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil {
		return nil, err
	}
	l := &load{
		namespace: deployment.Namespace, name: deployment.Name, selector: selector, version: -1,
		result: report.NewWorkload(r.result.Axis, "Deployment", deployment.Namespace, deployment.Name),
	}
	counts := &l.result.Counts
	counts.PodsStarted, counts.PodsStopped, counts.OOMKills = 0, 0, 0
	for i := range r.Scenario.Workloads {
		if w := &r.Scenario.Workloads[i]; w.Deployment == l.id() {
			l.spec = w
		}
	}
	switch {
	case l.spec == nil:
	case l.spec.Requests != nil:
		requests := NewRequests(r.Scenario, l.spec)
		l.model, l.stats = requests, &requests.Stats
		l.result.Serves, l.result.Unit = report.Requests, "request"
	default:
		spec := l.spec.Jobs
		noise, draws := r.random("noise of "+l.id()), r.random("load of "+l.id())
		l.jobs = workload.NewJobs(workload.JobModel{
			Load: spec.Load.Of(r.Scenario.Duration+time.Minute, noise), SegmentsLow: spec.Segments.Low, SegmentsHigh: spec.Segments.High, Window: spec.Window,
			Prepare: spec.Prepare.Of(), Segment: spec.Segment.Of(), Assemble: spec.Assemble.Of(),
			CPU: float64(spec.CPU), Memory: float64(spec.Memory), IdleCPU: float64(l.spec.IdleCPU), MemoryBase: float64(l.spec.Memory),
			Workers: spec.Workers, Prefetch: spec.Prefetch,
		}, draws)
		l.model, l.stats = l.jobs, &l.jobs.Stats
		l.result.Serves, l.result.Unit = report.Jobs, "job"
	}
	for _, slo := range r.Scenario.SLOs {
		if l.stats != nil && slo.Workload == l.id() {
			p := newPromise(slo)
			l.slos = append(l.slos, p)
			if p.counted != nil {
				l.stats.Promises = append(l.stats.Promises, p.counted)
			}
		}
	}
	return l, nil
}

// NewRequests is the model of a workload that serves requests. It is for whoever puts the same load on pods that are not of a run.
func NewRequests(s *scenario.Scenario, w *scenario.Workload) *workload.Requests {
	noise, draws := random(s.Seed, "noise of "+w.Deployment), random(s.Seed, "load of "+w.Deployment)
	spec := w.Requests
	return workload.NewRequests(workload.RequestModel{
		Load: spec.Load.Of(s.Duration+time.Minute, noise), Service: spec.Service.Of(), CPU: float64(spec.CPU), IdleCPU: float64(w.IdleCPU),
		MemoryBase: float64(w.Memory), MemoryPerRequest: float64(spec.Memory), Concurrency: spec.Concurrency,
		Timeout: spec.Timeout, Retries: spec.Retries, Backoff: spec.Backoff, Balance: workload.Balance(spec.Balance),
	}, draws)
}

// loadOf finds the Deployment that a pod belongs to.
func (r *run) loadOf(namespace string, set map[string]string) *load {
	for _, l := range r.loads {
		if l.namespace == namespace && l.selector.Matches(labels.Set(set)) {
			return l
		}
	}
	return nil
}

// refresh brings the pods of all loads in line with the kubelet.
func (r *run) refresh() {
	version := r.kubelet.Version()
	if len(r.loads) == 0 || r.loads[0].version == version {
		return
	}
	for _, l := range r.loads {
		l.pods, l.version = l.pods[:0], version
	}
	for _, pod := range r.kubelet.Pods() {
		if l := r.of(pod); l != nil {
			l.pods = append(l.pods, pod)
		}
	}
}

func (r *run) of(pod *cluster.Pod) *load {
	l, known := r.byPod[pod]
	if !known {
		l = r.loadOf(pod.Namespace, pod.Labels)
		r.byPod[pod] = l
		if l != nil {
			l.result.Counts.PodsStarted++
		}
	}
	return l
}

// advance lets the next second of load happen with the pods as they are now, and returns what waits for its end. Jobs are done at once,
// because KEDA looks at their queues when it likes. Requests come and go beside everything else that happens in that second: nobody
// looks at them before it is over.
func (r *run) advance() (wait func()) {
	r.refresh()
	var requests []*load
	for _, l := range r.loads {
		switch {
		case l.jobs != nil:
			l.model.Advance(l.pods, tick)
		case l.model != nil:
			requests = append(requests, l)
		}
	}
	if len(requests) == 0 {
		return func() {}
	}
	return vtime.Beside(func() {
		for _, l := range requests {
			l.model.Advance(l.pods, tick)
		}
	})
}

// outOfMemory kills containers that use more than their limit. All memory is that of the first container.
func (r *run) outOfMemory(now time.Time) {
	r.refresh()
	for _, l := range r.loads {
		if l.model == nil {
			continue
		}
		for _, pod := range l.pods {
			main := pod.Containers[0]
			if main.MemoryLimit > 0 && !pod.Started.IsZero() && !pod.Stopping && l.model.Memory(pod) > main.MemoryLimit {
				r.kubelet.OutOfMemory(pod, main.Name, now)
				l.result.Counts.OOMKills++
			}
		}
	}
}

// Idle, Kill and Gone make the run the kubelet's view of what works in pods.

// Idle implements cluster.Work.
func (r *run) Idle(pod *cluster.Pod) bool {
	l := r.of(pod)
	return l == nil || l.model == nil || l.model.Idle(pod)
}

// Kill implements cluster.Work.
func (r *run) Kill(pod *cluster.Pod) {
	if l := r.of(pod); l != nil && l.model != nil {
		l.model.Kill(pod)
	}
}

// Gone implements cluster.Work.
func (r *run) Gone(pod *cluster.Pod) {
	if l := r.of(pod); l != nil {
		l.result.Counts.PodsStopped++
		if l.model != nil {
			l.model.Gone(pod)
		}
	}
	delete(r.byPod, pod)
}

// FreshContainer is how long metrics-server lets a container run before it reports it.
const FreshContainer = 10 * time.Second

// scrape measures all pods.
func (r *run) scrape(now time.Time) {
	r.refresh()
	window := now.Sub(r.scraped)
	if r.scraped.IsZero() {
		window = r.Scenario.Metrics.Interval
	}
	scrape := metrics.Scrape{At: now}
	for _, l := range r.loads {
		if l.model == nil {
			continue
		}
		l.cpu, l.memory = 0, 0
		for _, pod := range l.pods {
			if pod.Started.IsZero() {
				continue
			}
			ran := min(window, now.Sub(pod.Started))
			cpuSeconds, memory := l.model.Usage(pod)
			sample := metrics.Pod{
				Namespace: pod.Namespace, Name: pod.Name, Container: pod.Containers[0].Name, Labels: pod.Labels,
				Memory: memory, Window: ran, HasCPU: now.Sub(pod.Started) >= FreshContainer,
			}
			if ran > 0 {
				sample.CPU = cpuSeconds / ran.Seconds()
			}
			l.cpuSeconds += cpuSeconds
			l.cpu += cpuSeconds / window.Seconds()
			l.memory += memory
			scrape.Pods = append(scrape.Pods, sample)
		}
		l.cpuWindow += window.Seconds()
		scrape.Values = append(scrape.Values, r.provided(l, window)...)
		l.arrivedScraped = l.stats.Arrived
	}
	r.scraped = now
	r.pipeline.Add(scrape)
}

// provided measures what the scenario says the pipeline serves of a workload.
func (r *run) provided(l *load, window time.Duration) []metrics.Value {
	var values []metrics.Value
	for _, p := range r.Scenario.Metrics.Provide {
		if p.Workload != l.id() {
			continue
		}
		value := metrics.Value{Kind: metrics.Kind(p.Kind), Namespace: l.namespace, Name: p.Name, Value: r.measure(l, p.Measure, window)}
		if value.Kind != metrics.Pods {
			values = append(values, value)
			continue
		}
		// What a workload measures as a whole is spread over the pods that serve.
		var serving []*cluster.Pod
		for _, pod := range l.pods {
			if pod.Ready {
				serving = append(serving, pod)
			}
		}
		for _, pod := range serving {
			each := value
			each.Pod, each.PodLabels, each.Value = pod.Name, pod.Labels, value.Value/float64(len(serving))
			values = append(values, each)
		}
	}
	return values
}

func (r *run) measure(l *load, what string, window time.Duration) float64 {
	switch what {
	case "requests-per-second":
		return float64(l.stats.Arrived-l.arrivedScraped) / window.Seconds()
	case "ready-messages", "messages":
		if l.jobs == nil {
			return 0
		}
		ready, unacknowledged := l.jobs.Messages()
		if what == "messages" {
			ready += unacknowledged
		}
		return float64(ready)
	default:
		count, _ := l.model.Backlog()
		return float64(count)
	}
}

func seedOf(purpose string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.ToLower(purpose)))
	return h.Sum64()
}
