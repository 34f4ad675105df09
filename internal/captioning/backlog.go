package captioning

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"k8s-scalers/internal/caption"
)

// backlogTimeout bounds the look at the queue; whoever scrapes metrics waits some ten seconds.
const backlogTimeout = 5 * time.Second

// backlog shows the queue as metrics. It is read whenever the metrics are; what cannot be read is missing, because a zero
// would tell those who scale workers that there is nothing to do.
type backlog struct {
	queue  caption.QueueStatser
	log    *slog.Logger
	tasks  *prometheus.Desc
	age    *prometheus.Desc
	failed prometheus.Counter
}

func newBacklog(q caption.QueueStatser, log *slog.Logger) *backlog {
	return &backlog{
		queue: q, log: log,
		tasks: prometheus.NewDesc("captions_queue_tasks", "Tasks on the queue, by state: ready to be taken (those that wait for a retry included), taken by a worker, dead.",
			[]string{"state"}, nil),
		age: prometheus.NewDesc("captions_queue_oldest_task_age_seconds", "Age of the oldest task that is ready; 0 when none is.", nil, nil),
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "captions_queue_read_errors_total",
			Help: "How often the queue could not be counted. Its other metrics are missing then."}),
	}
}

// Describe implements [prometheus.Collector].
func (b *backlog) Describe(ch chan<- *prometheus.Desc) {
	ch <- b.tasks
	ch <- b.age
	b.failed.Describe(ch)
}

// Collect implements [prometheus.Collector].
func (b *backlog) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), backlogTimeout)
	defer cancel()
	s, err := b.queue.QueueStats(ctx)
	if err != nil {
		b.failed.Inc()
		b.log.WarnContext(ctx, "the queue could not be counted", "error", err)
	} else {
		for _, n := range []struct {
			state string
			tasks int
		}{{"ready", s.Ready}, {"taken", s.Taken}, {"dead", s.Dead}} {
			if n.tasks != caption.Unknown {
				ch <- prometheus.MustNewConstMetric(b.tasks, prometheus.GaugeValue, float64(n.tasks), n.state)
			}
		}
		if s.OldestAge != caption.Unknown {
			ch <- prometheus.MustNewConstMetric(b.age, prometheus.GaugeValue, s.OldestAge.Seconds())
		}
	}
	b.failed.Collect(ch)
}
