// Package worker is caption-worker: it takes tasks from the queue and turns videos into transcripts, in three steps.
// A prepare task fetches the video, extracts its audio and stores it in segments; a transcribe task recognises one
// segment; an assemble task merges the words and cuts the cues. Every task may be delivered more than once, and may be
// interrupted anywhere, without losing or repeating work that was stored.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/telemetry"
)

// Objects is what the worker needs of the bucket.
type Objects interface {
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, contentType string) error
	Get(ctx context.Context, key string) (body io.ReadCloser, size int64, err error)
	// Download copies an object to a new file.
	Download(ctx context.Context, key, path string) error
	DeletePrefix(ctx context.Context, prefix string) error
}

// Queue is what the worker needs of the queue.
type Queue interface {
	caption.Publisher
	caption.Consumer
}

// Deps are what the worker needs.
type Deps struct {
	Queue       Queue
	Jobs        caption.Jobs
	Segments    caption.Segments
	Transcripts caption.Transcripts
	Videos      caption.VideoReader
	Objects     Objects
	Events      caption.Events
	// Engines are the enabled speech engines; the first is the default.
	Engines []speech.Recognizer
	// Fallback gives a job to the next of the engines when its own cannot do it.
	Fallback bool

	WorkDir string // private folder for temporary files, on a disk with room for a video a task
	// Parallel is how many tasks run at a time.
	Parallel int
	// Window is how many segments of one job are on the queue at a time, so that a long video does not starve short ones.
	Window int
	// SegmentLength is about how long a segment is.
	SegmentLength time.Duration
	// MaxDuration is the longest video that is accepted; 0 means the default of package media.
	MaxDuration time.Duration
	// MaxAttempts is how often a task is tried before its job fails.
	MaxAttempts int
	// Idle is how long no task may have come before OnIdle is called, once; 0 is for ever.
	Idle   time.Duration
	OnIdle func()
	// Busy, if set, is told with 1 when a task begins and with -1 when it ends.
	Busy func(tasks int)

	Now        func() time.Time      // nil: time.Now
	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: not registered
}

// Worker is caption-worker.
type Worker struct {
	Deps
	tasks   *prometheus.HistogramVec
	audio   *prometheus.CounterVec
	running prometheus.Gauge
	idle    idleness
}

// New returns a worker. It starts nothing: see [Worker.Run].
func New(d Deps) *Worker {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	d.Objects = tracedObjects{d.Objects}
	f := promauto.With(d.Registerer)
	return &Worker{
		Deps: d,
		tasks: f.NewHistogramVec(prometheus.HistogramOpts{Name: "captions_task_duration_seconds",
			Help:    "How long tasks took, by kind, engine (transcribe only) and outcome.",
			Buckets: prometheus.ExponentialBuckets(0.05, 2, 14)}, []string{"kind", "engine", "outcome"}),
		audio: f.NewCounterVec(prometheus.CounterOpts{Name: "captions_audio_seconds_total",
			Help: "Seconds of audio that were recognised, by engine."}, []string{"engine"}),
		running: f.NewGauge(prometheus.GaugeOpts{Name: "captions_tasks_running", Help: "Tasks that run now."}),
	}
}

// Why a running task is stopped: the causes of its context's end.
var (
	errLost      = errors.New("the queue took the task back")
	errCancelled = errors.New("the job was cancelled or deleted")
)

// Run takes and handles tasks until soft ends; then it takes no more and lets the running ones go on until hard ends, when
// it gives them back uncounted.
func (w *Worker) Run(soft, hard context.Context) error {
	var g errgroup.Group
	if w.Idle > 0 {
		g.Go(func() error {
			w.idle.wait(soft, w.Idle, w.OnIdle)
			return nil
		})
	}
	for range w.Parallel {
		g.Go(func() error {
			for soft.Err() == nil {
				d, err := w.Queue.Receive(soft)
				switch {
				case err == nil && soft.Err() != nil:
					w.settle(hard, d, "release", d.Release)
				case err == nil:
					w.take(hard, d)
				case soft.Err() == nil:
					w.Logger.WarnContext(soft, "no task could be taken; trying again", "error", err)
					select {
					case <-soft.Done():
					case <-time.After(time.Second):
					}
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// take handles one delivery and settles it.
func (w *Worker) take(hard context.Context, d caption.Delivery) {
	task := d.Task()
	log := w.Logger.With("job_id", task.JobID, "task", task.Kind, "segment", task.Segment, "attempt", d.Attempt())
	ctx, stop := context.WithCancelCause(telemetry.WithTraceparent(hard, task.Trace))
	defer stop(nil)
	ctx, span := telemetry.Span(ctx, "task "+string(task.Kind), trace.SpanKindConsumer, attribute.String("captions.job_id", task.JobID),
		attribute.Int("captions.segment", task.Segment), attribute.Int("captions.attempt", d.Attempt()))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-d.Lost():
			stop(errLost)
		case <-ctx.Done():
		}
	}()
	defer func() { stop(nil); <-watched }()

	w.running.Inc()
	if w.Busy != nil {
		w.Busy(1)
		defer w.Busy(-1)
	}
	w.idle.begin()
	defer w.idle.end()
	start := time.Now()
	engine, err := w.handle(ctx, stop, task)
	outcome := w.conclude(ctx, d, log, err)
	span.SetAttributes(attribute.String("captions.outcome", outcome), attribute.String("captions.engine", engine))
	telemetry.End(span, err)
	w.running.Dec()
	w.tasks.WithLabelValues(string(task.Kind), engine, outcome).Observe(time.Since(start).Seconds())
	log.InfoContext(ctx, "task ended", "outcome", outcome, "seconds", time.Since(start).Seconds(), "engine", engine)
}

// conclude settles the delivery by how handling it ended, and says how that was. ctx is the task's; the settling itself
// is not cut short by its end.
func (w *Worker) conclude(ctx context.Context, d caption.Delivery, log *slog.Logger, err error) string {
	cause := context.Cause(ctx)
	ctx = context.WithoutCancel(ctx)
	switch {
	case err == nil:
		w.settle(ctx, d, "ack", d.Ack)
		return "done"
	case errors.Is(cause, errLost):
		log.WarnContext(ctx, "task lost: the queue gave it to somebody else")
		return "lost"
	case errors.Is(cause, errCancelled):
		w.settle(ctx, d, "ack", d.Ack)
		return "cancelled"
	case cause != nil: // the worker stops
		w.settle(ctx, d, "release", d.Release)
		return "released"
	}
	if err := w.fallBack(ctx, d, err); err == nil {
		w.settle(ctx, d, "ack", d.Ack)
		return "fell_back"
	} else if !errors.Is(err, errNoFallback) {
		w.retry(ctx, d, log, fmt.Errorf("give the job to another engine: %w", err))
		return "retried"
	}
	if permanent(err) {
		if err := w.fail(ctx, d.Task(), err); err != nil {
			w.retry(ctx, d, log, fmt.Errorf("record that the job failed: %w", err))
			return "retried"
		}
		log.InfoContext(ctx, "job failed", "error", err)
		w.settle(ctx, d, "ack", d.Ack)
		return "failed"
	}
	if d.Attempt() >= w.MaxAttempts {
		log.ErrorContext(ctx, "task given up", "error", err)
		if ferr := w.fail(ctx, d.Task(), err); ferr != nil {
			log.ErrorContext(ctx, "the job's failure could not be recorded; the sweep will", "error", ferr)
		}
		w.settle(ctx, d, "bury", func(ctx context.Context) error { return d.Bury(ctx, err.Error()) })
		return "buried"
	}
	w.retry(ctx, d, log, err)
	return "retried"
}

func (w *Worker) retry(ctx context.Context, d caption.Delivery, log *slog.Logger, err error) {
	// 1 s, 4 s, 16 s, 64 s: a short hiccup passes quickly, and an outage of a minute or two does not fail a job.
	after := time.Second << min(2*(d.Attempt()-1), 8)
	if e, ok := errors.AsType[*caption.Error](err); ok && e.RetryAfter > after {
		after = e.RetryAfter
	}
	log.WarnContext(ctx, "task failed; it will be tried again", "after", after, "error", err)
	w.settle(ctx, d, "retry", func(ctx context.Context) error { return d.Retry(ctx, after, err.Error()) })
}

// settle ends a delivery. Where that fails the queue delivers the task again, which is harmless.
func (w *Worker) settle(ctx context.Context, d caption.Delivery, what string, how func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := how(ctx); err != nil {
		w.Logger.WarnContext(ctx, "task not settled; it will come again", "how", what, "job_id", d.Task().JobID, "error", err)
	}
}

// permanent tells whether trying again cannot help.
func permanent(err error) bool {
	switch caption.KindOf(err) {
	case caption.KindInvalid, caption.KindTooLarge, caption.KindNotFound, caption.KindForbidden, caption.KindUnauthenticated:
		return true
	}
	return false
}

// fail ends the job of a task with the reason that err gives.
func (w *Worker) fail(ctx context.Context, t caption.Task, err error) error {
	state := caption.Failed
	reason := caption.Reason{Code: "internal", Message: "Captioning failed because of a fault on our side. Retry the job; what is done already is kept."}
	if e, ok := errors.AsType[*caption.Error](err); ok && e.Kind != caption.KindInternal {
		reason = caption.Reason{Code: e.Code, Message: e.Message}
		if reason.Code == "" {
			reason.Code = string(e.Kind)
		}
		if e.Code == codeNoAudio {
			state = caption.Skipped
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	j, err := w.update(ctx, t, func(j *caption.Job) error {
		if t.Kind == caption.Transcribe && j.State == caption.Assembling {
			return errStale // a second delivery that was overtaken
		}
		j.State, j.Reason, j.Finished = state, &reason, w.Now()
		return nil
	})
	if errors.Is(err, errStale) {
		return nil
	}
	if err == nil && state == caption.Skipped {
		w.forget(ctx, j.ID)
	}
	return err
}

// errStale says that a task's job has ended, is gone, or was started anew: the task has nothing left to do.
var errStale = errors.New("the task is out of date")

// update changes the job of a task and tells subscribers. [errStale] where the task's run of the job is over.
func (w *Worker) update(ctx context.Context, t caption.Task, change func(*caption.Job) error) (caption.Job, error) {
	j, err := w.Jobs.UpdateJob(ctx, t.JobID, func(j *caption.Job) error {
		if j.State.Ended() || j.Run != t.Run {
			return errStale
		}
		return change(j)
	})
	if err != nil && caption.KindOf(err) == caption.KindNotFound {
		return j, errStale
	}
	if err == nil {
		w.publish(ctx, caption.Event{Job: j})
	}
	return j, err
}

// publish tells subscribers. Events are hints, so a failure is logged and nothing more.
func (w *Worker) publish(ctx context.Context, e caption.Event) {
	if err := w.Events.PublishEvent(ctx, e); err != nil {
		w.Logger.WarnContext(ctx, "event not published", "job_id", e.Job.ID, "error", err)
	}
}

// forget deletes a job's files; what cannot be deleted now goes when the job is deleted.
func (w *Worker) forget(ctx context.Context, jobID string) {
	if err := w.Objects.DeletePrefix(ctx, caption.JobPrefix(jobID)); err != nil {
		w.Logger.WarnContext(ctx, "files of the job not deleted", "job_id", jobID, "error", err)
	}
}
