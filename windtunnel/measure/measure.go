// Package measure finds out what the models of load must be told about the captions platform: how long its requests and its tasks take,
// and what they cost. It reads the Prometheus metrics of a service twice, while the service is under load (`captions load` makes it), and
// looks at what has changed between. Which metrics those are is in docs/metrics.md of the platform; what the parameters mean is in
// package workload.
package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics are those of one process at one time.
type Metrics map[string]*dto.MetricFamily

// Parse reads the text format of Prometheus.
func Parse(text io.Reader) (Metrics, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, fmt.Errorf("these are not metrics of Prometheus: %w", err)
	}
	return families, nil
}

// Fetch reads the metrics that a service serves.
func Fetch(ctx context.Context, url string) (Metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // It was read.
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read metrics: %s answers %s", url, response.Status)
	}
	return Parse(response.Body)
}

// Times is a distribution of durations in seconds: what a histogram knows of it.
type Times struct {
	Count             float64
	Mean, Median, P95 float64
	sum               float64
}

// Service is what was measured of one service.
type Service struct {
	// Requests took so long, those included that failed; streams are left out.
	Requests Times
	// Tasks that were done, by kind: prepare, transcribe, assemble.
	Tasks map[string]Times
	// CPU is cores while a request or a task is in service: CPU seconds of the process, and of the programs that it runs, such as
	// ffmpeg, over their durations, of which there are several at a time.
	CPU float64
	// Memory is what the process takes at the end, in bytes; TaskMemory what its programs take then for each task that runs, 0 where
	// none runs.
	Memory, TaskMemory float64
}

const (
	requestsMetric = "captions_http_request_duration_seconds"
	tasksMetric    = "captions_task_duration_seconds"
	runningMetric  = "captions_tasks_running"
	cpuMetric      = "process_cpu_seconds_total"
	memoryMetric   = "process_resident_memory_bytes"
	// What the process runs is not in its own figures.
	childrenCPUMetric    = "captions_children_cpu_seconds_total"
	childrenMemoryMetric = "captions_children_resident_memory_bytes"
)

// Between is what happened between two looks at the same process.
func Between(before, after Metrics) (Service, error) {
	s := Service{Tasks: map[string]Times{}}
	requests, err := before.until(after, requestsMetric, "", func(labels map[string]string) bool {
		return !strings.HasSuffix(labels["route"], "/events")
	})
	if err != nil {
		return s, err
	}
	s.Requests = requests[""]
	if s.Tasks, err = before.until(after, tasksMetric, "kind", func(labels map[string]string) bool { return labels["outcome"] == "done" }); err != nil {
		return s, err
	}
	busy := s.Requests.sum
	for kind, t := range s.Tasks {
		busy += t.sum
		if t.Count == 0 {
			delete(s.Tasks, kind)
		}
	}
	cpu := after.value(cpuMetric) - before.value(cpuMetric) + after.value(childrenCPUMetric) - before.value(childrenCPUMetric)
	switch {
	case cpu < 0:
		return s, errors.New("the process was started anew between the two looks; measure again")
	case s.Requests.Count == 0 && len(s.Tasks) == 0:
		return s, errors.New("nothing was served between the two looks; put load on the service meanwhile, with captions load")
	}
	s.CPU, s.Memory = cpu/busy, after.value(memoryMetric)
	if running := after.value(runningMetric); running > 0 {
		s.TaskMemory = after.value(childrenMemoryMetric) / running
	}
	return s, nil
}

// value of a metric without labels; 0 where there is none.
func (m Metrics) value(name string) float64 {
	family := m[name]
	if family == nil || len(family.GetMetric()) == 0 {
		return 0
	}
	one := family.GetMetric()[0]
	return one.GetCounter().GetValue() + one.GetGauge().GetValue()
}

// until is the difference of a histogram, added up over all series that count and have the same value of a label.
func (m Metrics) until(after Metrics, name, by string, counts func(map[string]string) bool) (map[string]Times, error) {
	all := map[string]*buckets{}
	for sign, metrics := range map[float64]Metrics{-1: m, 1: after} {
		for _, series := range metrics[name].GetMetric() {
			labels := map[string]string{}
			for _, l := range series.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if !counts(labels) {
				continue
			}
			if all[labels[by]] == nil {
				all[labels[by]] = &buckets{below: map[float64]float64{}}
			}
			all[labels[by]].add(sign, series.GetHistogram())
		}
	}
	times := map[string]Times{}
	for key, b := range all {
		t, err := b.times()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		times[key] = t
	}
	return times, nil
}

// buckets of a histogram: how many observations were at or below each bound.
type buckets struct {
	count, sum float64
	below      map[float64]float64
}

func (b *buckets) add(sign float64, h *dto.Histogram) {
	b.count += sign * float64(h.GetSampleCount())
	b.sum += sign * h.GetSampleSum()
	for _, bucket := range h.GetBucket() {
		if bound := bucket.GetUpperBound(); !math.IsInf(bound, 1) {
			b.below[bound] += sign * float64(bucket.GetCumulativeCount())
		}
	}
}

func (b *buckets) times() (Times, error) {
	if b.count < 0 {
		return Times{}, errors.New("it has become smaller, so the process was started anew; measure again")
	}
	if b.count == 0 {
		return Times{}, nil
	}
	return Times{Count: b.count, Mean: b.sum / b.count, Median: b.quantile(0.5), P95: b.quantile(0.95), sum: b.sum}, nil
}

// quantile is Prometheus' histogram_quantile: a straight line within a bucket, and the highest bound for what is above it.
func (b *buckets) quantile(q float64) float64 {
	rank, from, seen := q*b.count, 0.0, 0.0
	var bounds []float64
	for bound := range b.below {
		bounds = append(bounds, bound)
	}
	slices.Sort(bounds)
	for _, bound := range bounds {
		if in := b.below[bound]; in >= rank {
			if in == seen {
				return bound
			}
			return from + (bound-from)*(rank-seen)/(in-seen)
		}
		from, seen = bound, b.below[bound]
	}
	return from
}

// Rounded is a duration as people write it: two digits.
func Rounded(seconds float64) time.Duration {
	if seconds <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(seconds))-1)
	return time.Duration(math.Round(seconds/unit) * unit * float64(time.Second)).Round(time.Microsecond)
}
