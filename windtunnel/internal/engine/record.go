package engine

import (
	"fmt"
	"maps"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
	"k8s-scalers/windtunnel/workload"
)

var (
	deploymentResource = schema.GroupResource{Group: "apps", Resource: "deployments"}
	scalerResource     = schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}
)

func (r *run) newResult() {
	s := r.Scenario
	axis := report.Axis{Step: report.Value(s.Every.Seconds()), Points: int(s.Duration/s.Every) + 1}
	r.result = report.New(axis)
	r.result.Scenario, r.result.Title, r.result.Policy, r.result.Seed = s.Name, s.Title, r.Policy, s.Seed
	r.result.Start, r.result.Planned = r.start, report.Value(s.Duration.Seconds())
}

// promise is an SLO on its way.
type promise struct {
	report.SLO
	age float64
	// counted is the work that was finished, for promises about work; recentKept and recentAll are what it was at the last
	// point. young and seen count seconds for promises about age.
	counted               *workload.Promise
	recentKept, recentAll uint64
	young, seen           uint64
	bad                   float64
}

func newPromise(s scenario.SLO) *promise {
	p := &promise{}
	switch {
	case s.AgeBelow > 0:
		p.SLO, p.age = report.NewSLO(s.Name, s.Workload, report.AgeBelow), s.AgeBelow.Seconds()
		p.Threshold = report.Value(s.AgeBelow.Seconds())
	case s.LatencyBelow > 0:
		p.SLO = report.NewSLO(s.Name, s.Workload, report.LatencyBelow)
		p.Threshold = report.Value(s.LatencyBelow.Seconds())
		p.counted = &workload.Promise{Limit: s.LatencyBelow.Seconds()}
	default:
		p.SLO = report.NewSLO(s.Name, s.Workload, report.Success)
		p.counted = &workload.Promise{}
	}
	p.Goal = report.Value(s.Goal)
	return p
}

// observe closes a step of the axis.
func (p *promise) observe(oldest, step float64) {
	if p.counted == nil {
		p.seen++
		if oldest < p.age {
			p.young++
		} else {
			p.bad += step
		}
		return
	}
	kept, all := p.counted.Kept-p.recentKept, p.counted.All-p.recentAll
	p.recentKept, p.recentAll = p.counted.Kept, p.counted.All
	if all > 0 && float64(kept) < float64(p.Goal)*float64(all) {
		p.bad += step
	}
}

func (p *promise) result() report.SLO {
	kept, all := p.young, p.seen
	if p.counted != nil {
		kept, all = p.counted.Kept, p.counted.All
	}
	if all > 0 {
		p.Attained, p.BadSeconds = report.Value(float64(kept)/float64(all)), report.Value(p.bad)
	}
	return p.SLO
}

// sample notes the state at a point of the axis.
func (r *run) sample(point int) {
	r.refresh()
	for _, l := range r.loads {
		r.sampleReplicas(l, point)
		r.samplePods(l, point)
		if l.model != nil {
			r.sampleLoad(l, point)
		}
	}
	r.result.Cluster.PendingPods[point] = report.Value(len(r.cluster.Unbound()))
	r.nodes.Sample(point)
}

func (r *run) sampleLoad(l *load, point int) {
	step := r.Scenario.Every.Seconds()
	count, oldest := l.model.Backlog()
	l.result.Backlog[point], l.result.OldestAge[point] = report.Value(count), report.Value(oldest)
	if point > 0 {
		l.result.Load[point] = report.Value(float64(l.stats.Arrived-l.arrived) / step)
		if l.stats.Recent.Count() > 0 {
			l.result.LatencyP95[point] = report.Value(l.stats.Recent.Quantile(0.95))
		}
		for _, p := range l.slos {
			p.observe(oldest, step)
		}
	}
	l.stats.Recent.Reset()
	l.arrived = l.stats.Arrived
	if l.cpuWindow > 0 {
		l.result.CPUUsed[point], l.result.MemoryUsed[point] = report.Value(l.cpuSeconds/l.cpuWindow), report.Value(l.memory)
		l.cpuSeconds, l.cpuWindow = 0, 0
	} else if !r.scraped.IsZero() {
		l.result.CPUUsed[point], l.result.MemoryUsed[point] = report.Value(l.cpu), report.Value(l.memory)
	}
}

func (r *run) samplePods(l *load, point int) {
	var ready, cpu, memory float64
	for _, pod := range l.pods {
		if pod.Ready {
			ready++
		}
		for _, c := range pod.Containers {
			cpu += c.CPURequest
			memory += c.MemoryRequest
		}
	}
	l.result.Replicas.Ready[point] = report.Value(ready)
	l.result.CPURequested[point], l.result.MemoryRequested[point] = report.Value(cpu), report.Value(memory)
}

func (r *run) sampleReplicas(l *load, point int) {
	object, err := r.cluster.Look(deploymentResource, l.namespace, l.name)
	if err != nil {
		return
	}
	deployment := object.(*appsv1.Deployment)
	l.result.Replicas.Current[point] = report.Value(deployment.Status.Replicas)
	if deployment.Spec.Replicas != nil {
		l.result.Replicas.Desired[point] = report.Value(*deployment.Spec.Replicas)
	}
	for _, o := range r.cluster.Peek(scalerResource) {
		h := o.(*autoscalingv2.HorizontalPodAutoscaler)
		if h.Namespace == l.namespace && h.Spec.ScaleTargetRef.Kind == "Deployment" && h.Spec.ScaleTargetRef.Name == l.name {
			l.result.Replicas.Max[point] = report.Value(h.Spec.MaxReplicas)
			if h.Spec.MinReplicas != nil {
				l.result.Replicas.Min[point] = report.Value(*h.Spec.MinReplicas)
			}
		}
	}
	if lower, upper, found := r.keda.Limits(l.namespace, l.name); found {
		l.result.Replicas.Min[point], l.result.Replicas.Max[point] = report.Value(lower), report.Value(upper)
	}
}

// finish adds up the run.
func (r *run) finish(elapsed time.Duration) {
	r.result.Duration = report.Value(elapsed.Seconds())
	r.result.Interrupted = elapsed < r.Scenario.Duration
	r.result.Decisions = append(r.result.Decisions, r.deciding.sorted()...)
	r.recommendations()
	for _, l := range r.loads {
		r.finishLoad(l)
	}
	r.nodes.Finish(elapsed)
	r.result.Complaints = r.deciding.complained(elapsed)
	r.troubles()
	for _, err := range r.result.Check() {
		r.result.Warnings = append(r.result.Warnings, report.Note{Text: "a mistake of windtunnel: " + err.Error()})
	}
}

func (r *run) finishLoad(l *load) {
	c := &l.result.Counts
	var hours float64
	for _, replicas := range l.result.Replicas.Current {
		hours += replicas.Or(0) * r.Scenario.Every.Hours()
	}
	l.result.ReplicaHours = report.Value(hours)
	c.ScaledUp, c.ScaledDown = 0, 0
	for _, d := range r.result.Decisions {
		var from, to int
		if d.Kind != report.KindReplicas || d.Object != "Deployment "+l.id() {
			continue
		}
		if n, _ := fmt.Sscan(d.From+" "+d.To, &from, &to); n == 2 && to > from {
			c.ScaledUp++
		} else {
			c.ScaledDown++
		}
	}
	if l.stats != nil {
		s := l.stats
		backlog, _ := l.model.Backlog()
		c.Arrived, c.Served, c.Failed = report.Value(s.Arrived), report.Value(s.Served), report.Value(s.Failed)
		c.Unfinished, c.TimedOut, c.Retried = report.Value(backlog), report.Value(s.TimedOut), report.Value(s.Retried)
		c.Disrupted, c.Redelivered = report.Value(s.Disrupted), report.Value(s.Redelivered)
		l.result.Latency, l.result.Waiting = latency(s.Latency), latency(s.Waiting)
		for _, p := range l.slos {
			r.result.SLOs = append(r.result.SLOs, p.result())
		}
	}
	r.result.Workloads = append(r.result.Workloads, l.result)
}

func latency(h *workload.Histogram) report.Latency {
	l := report.NewLatency()
	l.Count = report.Value(h.Count())
	if h.Count() == 0 {
		return l
	}
	l.Mean, l.Max = report.Value(h.Sum()/float64(h.Count())), report.Value(h.Max())
	l.P50, l.P90 = report.Value(h.Quantile(0.5)), report.Value(h.Quantile(0.9))
	l.P95, l.P99 = report.Value(h.Quantile(0.95)), report.Value(h.Quantile(0.99))
	return l
}

// troubles warns of what is wrong at the end of the run, each trouble once: HorizontalPodAutoscalers that do not scale, with the reason that they
// give, and complaints that have not passed. What was said before the run is not said again.
func (r *run) troubles() {
	said := maps.Clone(r.hopeless)
	for _, o := range r.cluster.Peek(scalerResource) {
		h := o.(*autoscalingv2.HorizontalPodAutoscaler)
		for _, c := range h.Status.Conditions {
			if (c.Type == autoscalingv2.AbleToScale || c.Type == autoscalingv2.ScalingActive) && c.Status == corev1.ConditionFalse && !asleep(h, c.Reason) &&
				!r.hopeless[targetOf(h)] {
				said[targetOf(h)] = true
				r.result.Warnings = append(r.result.Warnings, report.Note{
					Object: "HorizontalPodAutoscaler " + h.Namespace + "/" + h.Name,
					Text:   fmt.Sprintf("at the end of the run it did not scale (%s): %s", c.Reason, readable(c.Message)),
				})
			}
		}
	}
	for _, c := range r.result.Complaints {
		if c.Lasting && !said[c.Object] {
			text := strings.Join(append([]string{c.Text}, c.Reasons...), ": ")
			r.result.Warnings = append(r.result.Warnings, report.Note{Object: c.Object, Text: "until the end of the run: " + text})
		}
	}
}
