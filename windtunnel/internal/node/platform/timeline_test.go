//go:build cluster

package platform_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// timeline is what was seen of Deployments while autoscalers acted on them.
type timeline struct {
	began time.Time

	mu     sync.Mutex
	panels []*panel
}

// panel is one scenario.
type panel struct {
	title string
	rows  []row
}

// row is what was seen at a time.
type row struct {
	at             time.Duration // since the scenario began
	metric, target string        // as the HPA says; "-" when it has none
	value          float64       // the metric as a part of its target
	desired, ready int
	queue          float64       // tasks that nobody has finished; below 0 when it cannot be read
	latency        time.Duration // of a request through the gateway; 0 when it failed
}

// watch looks at a Deployment and its HPA each second until it is stopped, which is before the test ends.
func (l *timeline) watch(t *testing.T, c cluster, title, name string) (stop func()) {
	p := &panel{title: title}
	l.mu.Lock()
	l.panels = append(l.panels, p)
	l.mu.Unlock()
	began, over := time.Now(), make(chan struct{})
	look := func() {
		r := row{at: time.Since(began), metric: "-", target: "-"}
		if r.read(t.Context(), c, name) != nil {
			return // There is no row for this time.
		}
		r.queue, r.latency = c.queue(t.Context()), c.latency(t.Context())
		l.mu.Lock()
		p.rows = append(p.rows, r)
		l.mu.Unlock()
	}
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			look()
			select {
			case <-over:
				look() // How it ended.
				return
			case <-time.After(time.Second):
			}
		}
	})
	return func() { close(over); looking.Wait() }
}

// read reads how many pods a Deployment has, and what its HPA has seen last.
func (r *row) read(ctx context.Context, c cluster, name string) error {
	d, err := c.Kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	r.desired, r.ready = int(*d.Spec.Replicas), int(d.Status.ReadyReplicas)
	list, err := c.Kube.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, hpa := range list.Items {
		if hpa.Spec.ScaleTargetRef.Name != name || len(hpa.Status.CurrentMetrics) == 0 {
			continue
		}
		target := hpa.Spec.Metrics[0]
		switch m := hpa.Status.CurrentMetrics[0]; {
		case m.Resource != nil && m.Resource.Current.AverageUtilization != nil:
			now, want := *m.Resource.Current.AverageUtilization, *target.Resource.Target.AverageUtilization
			r.metric, r.target, r.value = fmt.Sprintf("%d %%", now), fmt.Sprintf("%d %%", want), float64(now)/float64(want)
		case m.Pods != nil:
			now, want := m.Pods.Current.AverageValue, target.Pods.Target.AverageValue
			r.metric, r.target, r.value = fmt.Sprintf("%.0f", now.AsApproximateFloat64()), want.String(), now.AsApproximateFloat64()/want.AsApproximateFloat64()
		case m.External != nil && m.External.Current.AverageValue != nil:
			now, want := m.External.Current.AverageValue, target.External.Target.AverageValue
			r.metric, r.target, r.value = fmt.Sprintf("%.1f", now.AsApproximateFloat64()), want.String(), now.AsApproximateFloat64()/want.AsApproximateFloat64()
		}
	}
	return nil
}

// tasks is a line of the services' metrics.
var tasks = regexp.MustCompile(`(?m)^captions_queue_tasks\{state="(?:ready|taken)"\} (\S+)$`)

// queue is how many tasks caption-service sees on the queue, below 0 when it tells nothing.
func (c cluster) queue(ctx context.Context) float64 {
	pods, err := c.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=caption-service"})
	if err != nil || len(pods.Items) == 0 {
		return -1
	}
	text, err := c.Kube.CoreV1().Pods(namespace).ProxyGet("http", pods.Items[0].Name, "9090", "metrics", nil).DoRaw(ctx)
	found := tasks.FindAllSubmatch(text, -1)
	if err != nil || len(found) == 0 {
		return -1
	}
	sum := 0.0
	for _, line := range found {
		n, err := strconv.ParseFloat(string(line[1]), 64)
		if err != nil {
			return -1
		}
		sum += n
	}
	return sum
}

// latency is how long the answer to a user takes, 0 when there is none.
func (c cluster) latency(ctx context.Context) time.Duration {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/api/v1/captions", nil)
	if err != nil {
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	began := time.Now()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != http.StatusOK {
		return 0
	}
	return time.Since(began)
}

// print writes a line for each change.
func (l *timeline) print(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.panels {
		// Standard output takes it.
		_, _ = fmt.Fprintf(w, "\n%s\n%8s %12s %12s %8s %6s %6s %10s\n", p.title, "time", "metric", "target", "desired", "ready", "queue", "latency")
		var last row
		for i, r := range p.rows {
			if i > 0 && r.metric == last.metric && r.desired == last.desired && r.ready == last.ready {
				continue
			}
			queue, latency := "-", "-"
			if r.queue >= 0 {
				queue = fmt.Sprintf("%.0f", r.queue)
			}
			if r.latency > 0 {
				latency = r.latency.Round(100 * time.Microsecond).String()
			}
			_, _ = fmt.Fprintf(w, "%7.0fs %12s %12s %8d %6d %6s %10s\n", r.at.Seconds(), r.metric, r.target, r.desired, r.ready, queue, latency)
			last = r
		}
	}
}

// write draws the timeline into a file: for each scenario the replicas as steps, and the metric as a part of its target.
func (l *timeline) write(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	const width, height, left, top = 900, 180, 60, 40
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`, width+2*left, len(l.panels)*(height+2*top))
	_, _ = fmt.Fprint(&b, `<rect width="100%" height="100%" fill="white"/>`)
	for i, p := range l.panels {
		if len(p.rows) == 0 {
			continue
		}
		y := float64(i*(height+2*top) + top)
		end := p.rows[len(p.rows)-1].at.Seconds()
		most, value, queue, latency := 1.0, 1.0, 1.0, time.Millisecond
		for _, r := range p.rows {
			most, value = max(most, float64(r.desired), float64(r.ready)), max(value, r.value)
			queue, latency = max(queue, r.queue), max(latency, r.latency)
		}
		at := func(r row) float64 { return left + width*r.at.Seconds()/max(end, 1) }
		up := func(part float64) float64 { return y + height*(1-part) }
		_, _ = fmt.Fprintf(&b, `<text x="%d" y="%.0f" font-weight="bold">%s</text>`, left, y-10, html.EscapeString(p.title))
		_, _ = fmt.Fprintf(&b, `<path d="M%d %.0f v%d h%d" fill="none" stroke="#888"/>`, left, y, height, width)
		_, _ = fmt.Fprintf(&b, `<text x="%d" y="%.0f" text-anchor="end">%.0f pods</text><text x="%d" y="%.0f" text-anchor="end">0</text>`, left-4, y+5, most, left-4, y+height)
		_, _ = fmt.Fprintf(&b, `<text x="%d" y="%.0f" text-anchor="end">%.0f s</text>`, left+width, y-10, end)
		for _, line := range []struct {
			colour string
			part   func(row) float64
		}{
			{"#ccc", func(r row) float64 { return float64(r.latency) / float64(latency) }},
			{"#e90", func(r row) float64 { return max(r.queue, 0) / queue }},
			{"#c33", func(r row) float64 { return r.value / value }},
			{"#36c", func(r row) float64 { return float64(r.desired) / most }},
			{"#2a2", func(r row) float64 { return float64(r.ready) / most }},
		} {
			_, _ = fmt.Fprintf(&b, `<path fill="none" stroke="%s" stroke-width="1.5" d="M%.1f %.1f`, line.colour, at(p.rows[0]), up(line.part(p.rows[0])))
			for _, r := range p.rows[1:] {
				_, _ = fmt.Fprintf(&b, ` H%.1f V%.1f`, at(r), up(line.part(r)))
			}
			_, _ = fmt.Fprint(&b, `"/>`)
		}
		_, _ = fmt.Fprintf(&b, `<text x="%d" y="%.0f"><tspan fill="#c33">metric, at most %.1f times its target</tspan> <tspan fill="#36c">desired</tspan> <tspan fill="#2a2">ready</tspan> <tspan fill="#e90">tasks, at most %.0f</tspan> <tspan fill="#999">latency, at most %s</tspan></text>`,
			left, y+height+16, value, queue, latency.Round(time.Millisecond))
	}
	_, _ = fmt.Fprint(&b, "</svg>\n")
	return os.WriteFile(name, []byte(b.String()), 0o644)
}
