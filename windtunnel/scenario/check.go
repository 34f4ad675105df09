package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// check finds what single fields cannot know, and fills in the defaults that depend on others.
func (s *Scenario) check(d *decoder) {
	if s.Duration < time.Minute {
		d.at("duration", "expected at least 1m")
	}
	if s.Every < time.Second || s.Every%time.Second != 0 {
		d.at("every", "expected whole seconds, at least 1s")
	}
	if len(s.Workloads) == 0 {
		d.at("workloads", "expected at least one workload")
	}
	var names []string
	for i := range s.Workloads {
		w := &s.Workloads[i]
		field := fmt.Sprintf("workloads[%d]", i)
		if slices.Contains(names, w.Deployment) {
			d.at(field+".deployment", "%s has a workload already; add their loads instead", w.Deployment)
		}
		names = append(names, w.Deployment)
		w.check(d, field)
	}
	for i := range s.SLOs {
		s.SLOs[i].check(d, fmt.Sprintf("slos[%d]", i), names)
	}
	s.Metrics.check(d, names)
	s.Cluster.check(d)
}

func (w *Workload) check(d *decoder, field string) {
	if namespace, name, found := strings.Cut(w.Deployment, "/"); !found || namespace == "" || name == "" {
		d.at(field+".deployment", "expected namespace/name of a Deployment, found %q", w.Deployment)
	}
	switch {
	case w.Requests != nil && w.Jobs != nil:
		d.at(field, "expected requests or jobs, found both")
	case w.Requests != nil:
		w.Requests.check(d, field+".requests")
	case w.Jobs != nil:
		w.Jobs.check(d, field+".jobs")
	default:
		d.at(field, "expected requests or jobs")
	}
	if w.Memory == 0 {
		w.Memory = 64 << 20
	}
}

func (r *Requests) check(d *decoder, field string) {
	if len(r.Load) == 0 {
		d.at(field, "expected a load")
	}
	r.Service.needed(d, field+".service")
	switch {
	case r.Concurrency == 0 && !d.given(field+".concurrency"):
		r.Concurrency = 16
	case r.Concurrency < 1 && !d.wrong(field+".concurrency"):
		d.at(field+".concurrency", "expected at least 1, found %d", r.Concurrency)
		r.Concurrency = 1
	}
	if r.Timeout == 0 {
		r.Timeout = 30 * time.Second
	}
	if r.Retries < 0 {
		d.at(field+".retries", "expected 0 or more, found %d", r.Retries)
	}
	if r.Retries > 0 && r.Backoff == 0 {
		r.Backoff = time.Second
	}
	if r.Balance == "" {
		r.Balance = "random"
	}
	oneOf(d, field+".balance", r.Balance, "random", "round-robin", "least-loaded")
}

func (j *Jobs) check(d *decoder, field string) {
	if len(j.Load) == 0 {
		d.at(field, "expected a load")
	}
	j.Segment.needed(d, field+".segment")
	if j.Segments.Low == 0 {
		j.Segments = Range{1, 1}
	}
	for _, count := range []struct {
		name   string
		value  *int
		normal int
	}{{"window", &j.Window, 16}, {"workers", &j.Workers, 1}, {"prefetch", &j.Prefetch, 0}} {
		if *count.value < 0 {
			d.at(field+"."+count.name, "expected 0 or more, found %d", *count.value)
		}
		if *count.value == 0 {
			*count.value = count.normal
		}
	}
	if j.CPU == 0 {
		j.CPU = 1
	}
}

func (o *SLO) check(d *decoder, field string, workloads []string) {
	if o.Name == "" {
		d.at(field, "expected a name")
	}
	if !slices.Contains(workloads, o.Workload) {
		d.at(field+".workload", "expected one of the workloads (%s), found %q", strings.Join(workloads, ", "), o.Workload)
	}
	if o.LatencyBelow > 0 && o.AgeBelow > 0 {
		d.at(field, "expected latencyBelow or ageBelow, found both; make two promises of it")
	}
	if o.Goal <= 0 || o.Goal > 1 {
		d.at(field+".goal", "expected a fraction above 0 and up to 1, such as 0.99, found %v", o.Goal)
	}
}

func (m *Metrics) check(d *decoder, workloads []string) {
	if m.Interval < time.Second {
		d.at("metrics.interval", "expected at least 1s")
	}
	for i, gap := range m.Gaps {
		if field := fmt.Sprintf("metrics.gaps[%d]", i); gap.Until <= gap.From && !d.wrong(field) {
			d.at(field, "expected until after from")
		}
	}
	for i, p := range m.Provide {
		field := fmt.Sprintf("metrics.provide[%d]", i)
		oneOf(d, field+".kind", p.Kind, "Pods", "Object", "External")
		oneOf(d, field+".measure", p.Measure, "requests-per-second", "in-flight", "ready-messages", "messages")
		if p.Name == "" {
			d.at(field, "expected the name that a scaler asks for")
		}
		if !slices.Contains(workloads, p.Workload) {
			d.at(field+".workload", "expected one of the workloads (%s), found %q", strings.Join(workloads, ", "), p.Workload)
		}
	}
}

func oneOf(d *decoder, field, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		d.at(field, "expected one of %s, found %q", strings.Join(allowed, ", "), value)
	}
}
