// Package metrics models the way of a measurement from a pod to an autoscaler: it is scraped at intervals, becomes visible
// after a delay, and is missing where the pipeline has a gap. It is what metrics-server, Prometheus and its adapter, and
// KEDA's metrics server are between the models of the load and the scalers. Decisions are made elsewhere.
//
// The rules of metrics-server: usage is a mean over the time between two scrapes, and a container is reported once it has
// run for 10 seconds. A failed scrape makes a metric missing; it is never an old value and never 0.
package metrics

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// Gap is a time in which nothing is scraped, from the start of the run.
type Gap struct{ From, To time.Duration }

// Config of a pipeline.
type Config struct {
	Interval, Delay time.Duration
	Gaps            []Gap
}

// Pod is what one scrape saw of a pod: cores and bytes. All of it was used by Container.
type Pod struct {
	Namespace, Name, Container string
	Labels                     labels.Set
	CPU, Memory                float64
	// HasCPU is false while a container is too young for a mean.
	HasCPU bool
	Window time.Duration
}

// Value is one sample of a metric other than CPU and memory. Pod is empty where it is not about a pod.
type Value struct {
	Kind            Kind
	Namespace, Name string
	Pod             string
	PodLabels       labels.Set
	Labels          labels.Set
	Value           float64
}

// Kind says through which API a metric is served.
type Kind string

// Kinds of metrics as HorizontalPodAutoscalers name them.
const (
	Pods     Kind = "Pods"
	ObjectOf Kind = "Object"
	External Kind = "External"
)

// Scrape is everything that was seen at one time.
type Scrape struct {
	At     time.Time
	Pods   []Pod
	Values []Value
}

// Pipeline holds what was scraped. The model fills it, and scalers read it in goroutines of their own.
type Pipeline struct {
	mu     sync.Mutex
	config Config
	start  time.Time
	next   time.Time
	// scrapes are the ones that are not yet visible, after the newest that is.
	scrapes []Scrape
}

// New pipeline, which is without gaps until Begin.
func New(config Config, now time.Time) *Pipeline {
	return &Pipeline{config: config, next: now.Add(config.Interval)}
}

// Begin lets the times of gaps count from now on.
func (p *Pipeline) Begin(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start = now
}

// Due tells whether it is time to scrape, and goes on to the next time if so.
func (p *Pipeline) Due(now time.Time) bool {
	if now.Before(p.next) {
		return false
	}
	p.next = p.next.Add(p.config.Interval)
	return true
}

// Broken tells whether the pipeline has a gap now.
func (p *Pipeline) Broken(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken(now)
}

func (p *Pipeline) broken(now time.Time) bool {
	if p.start.IsZero() {
		return false
	}
	since := now.Sub(p.start)
	for _, gap := range p.config.Gaps {
		if since >= gap.From && since < gap.To {
			return true
		}
	}
	return false
}

// Add takes in a scrape. In a gap nothing of it gets through.
func (p *Pipeline) Add(scrape Scrape) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken(scrape.At) {
		scrape = Scrape{At: scrape.At}
	}
	p.scrapes = append(p.scrapes, scrape)
}

// Visible is the newest scrape that has become visible.
func (p *Pipeline) Visible(now time.Time) (Scrape, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	newest := -1
	for i, s := range p.scrapes {
		if !s.At.Add(p.config.Delay).After(now) {
			newest = i
		}
	}
	if newest < 0 {
		return Scrape{}, fmt.Errorf("nothing has been scraped yet")
	}
	if newest > 0 {
		p.scrapes = append(p.scrapes[:0], p.scrapes[newest:]...)
	}
	return p.scrapes[0], nil
}
