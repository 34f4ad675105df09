package worker

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech"
)

// engineError says that an engine could not do its part.
type engineError struct {
	engine string
	error
}

func (e engineError) Unwrap() error { return e.error }

// errNoFallback says that there is no other engine to try, or no reason to.
var errNoFallback = errors.New("no other engine")

// fallBack gives the job to the next engine, where the operator wants that and the one that failed will not do it any more. It
// starts the job anew, as a retry by its owner does: results that are stored stay; the rest is done by the other engine. Where
// there is none yet, the video is cut anew, because engines differ in what they want.
func (w *Worker) fallBack(ctx context.Context, d caption.Delivery, cause error) error {
	failed, ok := errors.AsType[engineError](cause)
	if !w.Fallback || !ok || !permanent(cause) && d.Attempt() < w.MaxAttempts {
		return errNoFallback
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var next string
	j, err := w.update(ctx, d.Task(), func(j *caption.Job) error {
		if j.Engine != failed.engine {
			return errStale // Another task of the job has done this.
		}
		if next = w.after(failed.engine, j.Options); next == "" {
			return errNoFallback
		}
		j.State, j.Enqueued, j.Engine = caption.Queued, false, next
		j.Run++
		if j.Done == 0 {
			j.Segments = 0
		}
		return nil
	})
	if errors.Is(err, errStale) {
		return nil
	}
	if err != nil {
		return err
	}
	w.Logger.WarnContext(ctx, "the job goes to another engine", "job_id", j.ID, "engine", failed.engine, "next", next, "error", cause)
	// Where this fails, caption-service publishes the task: the job is stored as one that the queue has not confirmed.
	if err := w.Queue.Publish(ctx, caption.Task{Kind: caption.Prepare, JobID: j.ID, Run: j.Run, Trace: d.Task().Trace}); err != nil {
		w.Logger.WarnContext(ctx, "task not published yet", "job_id", j.ID, "error", err)
	}
	return nil
}

// after returns the name of the first engine behind another that can do what a job asks for; empty where none can.
func (w *Worker) after(name string, o caption.Options) string {
	i := slices.IndexFunc(w.Engines, func(e speech.Recognizer) bool { return e.Capabilities().Name == name })
	for _, e := range w.Engines[i+1:] {
		c := e.Capabilities()
		speaks := o.Language == "" || len(c.Languages) == 0 || slices.Contains(c.Languages, speech.PrimaryLanguage(o.Language))
		if speaks && (!o.Diarize || c.Diarization) && (len(o.Keyterms) == 0 || c.Keyterms) {
			return c.Name
		}
	}
	return ""
}
