package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/subtitle"
	"k8s-scalers/internal/transcribe"
)

// codeNoAudio is the code of package media for a video without sound, which is not a failure but nothing to do.
const codeNoAudio = media.NoAudio

// saveFor is how long a result waits for the store to come back before its task is given back. Stores restart in less.
const saveFor = 20 * time.Second

// storing is how many segments are on their way to the bucket at a time, while the next one is being extracted.
const storing = 4

// plan is how a video was cut. It is stored beside the segments, so that every task of the job sees the same.
type plan struct {
	// Window is the stride of the chain: whoever finishes segment i puts segment i+Window on the queue. So exactly one
	// task is the one to publish each other task, and a redelivery can repeat at most that one.
	Window   int    `json:"window"`
	Segments []span `json:"segments"`
}

// span is a segment's place in the video.
type span struct {
	Start caption.Millis `json:"start"`
	End   caption.Millis `json:"end"`
}

func planKey(jobID string) string { return caption.JobPrefix(jobID) + "plan.json" }

func audioKey(jobID string, segment int) string {
	return fmt.Sprintf("%saudio/%06d.wav", caption.JobPrefix(jobID), segment)
}

// handle does a task and names the engine that it used, if any. A task that is out of date is done.
func (w *Worker) handle(ctx context.Context, stop context.CancelCauseFunc, t caption.Task) (engine string, err error) {
	unwatch := w.watch(ctx, stop, t)
	defer unwatch()
	switch t.Kind {
	case caption.Prepare:
		err = w.prepare(ctx, t)
	case caption.Transcribe:
		engine, err = w.transcribe(ctx, t)
	case caption.Assemble:
		err = w.assemble(ctx, t)
	default:
		err = caption.Errorf(caption.KindInvalid, "This version does not know the task %q. Update the workers, then retry the job.", t.Kind).WithCode("unknown_task")
	}
	if errors.Is(err, errStale) {
		return engine, nil
	}
	return engine, err
}

// watch stops a task when its job is cancelled, deleted or started anew. Events may be missed; then the task
// ends in vain, which is harmless.
func (w *Worker) watch(ctx context.Context, stop context.CancelCauseFunc, t caption.Task) (unwatch func()) {
	events, cancel, err := w.Events.Subscribe(ctx, t.JobID)
	if err != nil {
		w.Logger.WarnContext(ctx, "cancellation cannot be watched", "job_id", t.JobID, "error", err)
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range events {
			if e.Job.Run != t.Run || e.Job.State == caption.Cancelled {
				stop(errCancelled)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// current returns the task's job, or [errStale].
func (w *Worker) current(ctx context.Context, t caption.Task) (caption.Job, error) {
	j, err := w.Jobs.Job(ctx, t.JobID)
	if err != nil && caption.KindOf(err) == caption.KindNotFound || err == nil && (j.Run != t.Run || j.State.Ended()) {
		return j, errStale
	}
	return j, err
}

// recognizer returns the engine that does a job: the one that has begun it, else the one that it asks for.
func (w *Worker) recognizer(j caption.Job) (speech.Recognizer, error) {
	if j.Engine != "" {
		for _, e := range w.Engines {
			if e.Capabilities().Name == j.Engine {
				return e, nil
			}
		}
	}
	for _, e := range w.Engines {
		if j.Options.Engine == "" || e.Capabilities().Name == j.Options.Engine {
			return e, nil
		}
	}
	return nil, caption.Errorf(caption.KindInvalid, "The engine %q is no longer enabled. Make a new job with another engine.", j.Options.Engine).WithCode("engine_not_enabled")
}

// prepare cuts the video into segments, unless an earlier delivery or run has done so, and starts the chains.
func (w *Worker) prepare(ctx context.Context, t caption.Task) error {
	j, err := w.current(ctx, t)
	if err != nil {
		return err
	}
	if j.Segments == 0 {
		if j, err = w.update(ctx, t, func(j *caption.Job) error {
			j.State, j.Enqueued = caption.Preparing, true
			return nil
		}); err != nil {
			return err
		}
		if j, err = w.cut(ctx, t, j); err != nil {
			return err
		}
	} else if j, err = w.update(ctx, t, func(j *caption.Job) error {
		j.State, j.Enqueued, j.TranscribeT, j.DoneAtStart = caption.Transcribing, true, w.Now(), j.Done
		return nil
	}); err != nil {
		return err
	}
	p, missing, err := w.progress(ctx, j)
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		return w.Queue.Publish(ctx, caption.Task{Kind: caption.Assemble, JobID: t.JobID, Run: t.Run, Trace: t.Trace})
	}
	// The first missing segment of each chain.
	var first []caption.Task
	begun := map[int]bool{}
	for _, i := range missing {
		if chain := i % p.Window; !begun[chain] {
			begun[chain] = true
			first = append(first, caption.Task{Kind: caption.Transcribe, JobID: t.JobID, Run: t.Run, Segment: i, Trace: t.Trace})
		}
	}
	return w.Queue.Publish(ctx, first...)
}

// cut fetches the video, stores its audio in segments, and records their number. It returns the job as it is then.
func (w *Worker) cut(ctx context.Context, t caption.Task, j caption.Job) (caption.Job, error) {
	engine, err := w.recognizer(j)
	if err != nil {
		return j, err
	}
	video, err := w.Videos.Video(ctx, j.VideoID)
	if err != nil {
		if caption.KindOf(err) == caption.KindNotFound {
			return j, caption.Errorf(caption.KindNotFound, "The video was deleted before it could be captioned. Upload it again.").WithCode("video_deleted").WithCause(err)
		}
		return j, err
	}
	dir, err := os.MkdirTemp(w.WorkDir, "prepare-")
	if err != nil {
		return j, storage(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // Leftovers go when the worker starts again.
	path := filepath.Join(dir, "in")
	if err := w.Objects.Download(ctx, video.Key, path); err != nil {
		return j, fmt.Errorf("fetch video: %w", err)
	}
	info, err := media.Probe(ctx, path)
	if err != nil {
		return j, err
	}
	p := plan{Window: max(1, w.Window)}
	can, segment := engine.Capabilities(), caption.MillisOf(w.SegmentLength)
	if can.MaxDuration > 0 {
		segment = min(segment, can.MaxDuration*3/4) // a segment can be a third longer than the aim
	}
	stored, sctx := errgroup.WithContext(ctx)
	stored.SetLimit(storing)
	length, err := media.Extract(sctx, path, info, media.ExtractOptions{
		Track: j.Options.AudioTrack, Segment: segment, Whole: can.WholeFile,
		MaxDuration: caption.MillisOf(w.MaxDuration), TempDir: dir,
	}, func(s media.Segment) error {
		p.Segments = append(p.Segments, span{s.Start, s.End})
		if s.File != "" { // It is there during this call only.
			return w.storeAudio(sctx, audioKey(j.ID, s.Index), s)
		}
		stored.Go(func() error { return w.storeAudio(sctx, audioKey(j.ID, s.Index), s) })
		return nil
	})
	if serr := stored.Wait(); serr != nil {
		err = serr // It has ended the extraction too.
	}
	if err != nil {
		return j, storage(err)
	}
	if len(p.Segments) == 0 {
		return j, caption.Errorf(caption.KindInvalid, "The audio track of this video is empty, so there is nothing to caption.").WithCode(codeNoAudio)
	}
	b, err := json.Marshal(p)
	if err != nil {
		return j, fmt.Errorf("render plan: %w", err)
	}
	if err := w.Objects.Put(ctx, planKey(j.ID), bytes.NewReader(b), int64(len(b)), "application/json"); err != nil {
		return j, fmt.Errorf("store plan: %w", err)
	}
	cut, err := w.update(ctx, t, func(j *caption.Job) error {
		j.Segments, j.Duration, j.Engine = len(p.Segments), length, can.Name
		j.Language = j.Options.Language
		j.State, j.TranscribeT, j.DoneAtStart = caption.Transcribing, w.Now(), j.Done
		return nil
	})
	if errors.Is(err, errStale) { // cancelled or deleted meanwhile: nobody else will remove what was stored
		if _, gone := w.Jobs.Job(ctx, j.ID); caption.KindOf(gone) == caption.KindNotFound {
			w.forget(ctx, j.ID)
		}
	}
	return cut, err
}

// storeAudio puts a segment's sound into the bucket as a WAV file.
func (w *Worker) storeAudio(ctx context.Context, key string, s media.Segment) error {
	if s.File == "" {
		wav := append(pcm.Header(int64(len(s.PCM))), s.PCM...)
		return w.Objects.Put(ctx, key, bytes.NewReader(wav), int64(len(wav)), "audio/wav")
	}
	f, err := os.Open(s.File)
	if err != nil {
		return fmt.Errorf("read sound: %w", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read sound: %w", err)
	}
	return w.Objects.Put(ctx, key, f, st.Size(), "audio/wav")
}

func (w *Worker) plan(ctx context.Context, jobID string) (plan, error) {
	body, _, err := w.Objects.Get(ctx, planKey(jobID))
	if err != nil {
		return plan{}, fmt.Errorf("read plan: %w", err)
	}
	defer func() { _ = body.Close() }() // It was only read.
	var p plan
	if err := json.NewDecoder(body).Decode(&p); err != nil {
		return plan{}, fmt.Errorf("read plan: %w", err)
	}
	return p, nil
}

// progress returns how the video was cut, and which segments have no result yet. The two are asked for at the same time: every task
// begins with them.
func (w *Worker) progress(ctx context.Context, j caption.Job) (p plan, missing []int, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		p, err = w.plan(ctx, j.ID)
		return err
	})
	g.Go(func() (err error) {
		missing, err = w.Segments.MissingSegments(ctx, j.ID, j.Segments)
		return err
	})
	err = g.Wait()
	return p, missing, err
}

// transcribe recognises one segment, unless its result is stored, and publishes the next task of its chain.
func (w *Worker) transcribe(ctx context.Context, t caption.Task) (string, error) {
	j, err := w.current(ctx, t)
	if err != nil {
		return "", err
	}
	if j.State == caption.Assembling {
		return "", errStale // every segment has its result, and the audio may be gone
	}
	engine, err := w.recognizer(j)
	if err != nil {
		return "", err
	}
	name := engine.Capabilities().Name
	p, missing, err := w.progress(ctx, j)
	if err != nil {
		return name, err
	}
	if t.Segment < 0 || t.Segment >= len(p.Segments) {
		return name, fmt.Errorf("segment %d of %d does not exist", t.Segment, len(p.Segments))
	}
	next := t.Segment + p.Window
	if slices.Contains(missing, t.Segment) {
		if j, err = w.recognize(ctx, t, j, engine, p.Segments[t.Segment]); err != nil {
			return name, err
		}
		if j.Done == len(p.Segments) {
			missing = nil
		}
	} else if i := slices.IndexFunc(missing, func(i int) bool { return i > t.Segment && i%p.Window == t.Segment%p.Window }); i >= 0 {
		next = missing[i]
	}
	switch {
	case len(missing) == 0:
		return name, w.Queue.Publish(ctx, caption.Task{Kind: caption.Assemble, JobID: t.JobID, Run: t.Run, Trace: t.Trace})
	case next < len(p.Segments):
		return name, w.Queue.Publish(ctx, caption.Task{Kind: caption.Transcribe, JobID: t.JobID, Run: t.Run, Segment: next, Trace: t.Trace})
	}
	return name, nil
}

// recognize runs the engine on one segment and stores the result.
func (w *Worker) recognize(ctx context.Context, t caption.Task, j caption.Job, engine speech.Recognizer, at span) (caption.Job, error) {
	length := at.End - at.Start
	res, err := listen(ctx, engine, speech.Audio{
		Open: func() (io.ReadCloser, error) {
			body, _, err := w.Objects.Get(ctx, audioKey(j.ID, t.Segment))
			return body, err
		},
		Size: pcm.WAVSize(pcm.Bytes(length)), Duration: length,
	}, speech.Request{Language: j.Options.Language, Diarize: j.Options.Diarize, Keyterms: j.Options.Keyterms})
	if err != nil {
		return j, fmt.Errorf("recognise segment %d: %w", t.Segment, engineError{engine.Capabilities().Name, err})
	}
	for i := range res.Words {
		res.Words[i].Start += at.Start
		res.Words[i].End += at.Start
	}
	r := caption.SegmentResult{Index: t.Segment, Start: at.Start, End: at.End, Words: res.Words,
		Language: res.Language, Engine: engine.Capabilities().Name}
	j, first, err := w.save(ctx, j.ID, r)
	if err != nil {
		if caption.KindOf(err) == caption.KindNotFound {
			return j, errStale
		}
		return j, err
	}
	if first {
		w.publish(ctx, caption.Event{Job: j, Segment: &r})
		w.audio.WithLabelValues(r.Engine).Add(length.Seconds())
	}
	return j, nil
}

// save stores the result of a segment. While the store is away it tries again for a while: what would be lost has taken longer.
func (w *Worker) save(ctx context.Context, jobID string, r caption.SegmentResult) (j caption.Job, first bool, err error) {
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		j, first, err = w.Segments.SaveSegment(ctx, jobID, r)
		if err != nil && caption.KindOf(err) != caption.KindUnavailable {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithMaxElapsedTime(saveFor))
	return j, first, err
}

// assemble merges the words of all segments, cuts them into cues, and stores the transcript.
func (w *Worker) assemble(ctx context.Context, t caption.Task) error {
	j, err := w.current(ctx, t)
	if err != nil {
		return err
	}
	if j.State != caption.Assembling {
		if j, err = w.update(ctx, t, func(j *caption.Job) error { j.State = caption.Assembling; return nil }); err != nil {
			return err
		}
	}
	profile, err := subtitle.ProfileNamed(j.Options.Profile)
	if err != nil {
		return err
	}
	results, err := w.Segments.Segments(ctx, j.ID, 0)
	if err != nil {
		return err
	}
	if len(results) != j.Segments {
		return fmt.Errorf("job %s has %d of %d segments at its assembly", j.ID, len(results), j.Segments)
	}
	words := transcribe.Merge(results)
	tr := caption.Transcript{JobID: j.ID, Language: language(j, results), Engine: engines(j, results), Profile: profile.Name,
		Duration: j.Duration, Words: words, Cues: subtitle.Cut(words, profile)}
	// A conflict means that an earlier delivery of this task has stored the transcript.
	if _, err := w.Transcripts.SaveTranscript(ctx, tr); err != nil && caption.KindOf(err) != caption.KindPrecondition {
		return err
	}
	// Before the job ends, because afterwards nothing would bring a killed worker back to it.
	w.forget(ctx, j.ID)
	_, err = w.update(ctx, t, func(j *caption.Job) error {
		j.State, j.Language, j.Finished = caption.Processed, tr.Language, w.Now()
		return nil
	})
	return err
}

// language returns the language that most of the audio is in; empty while no engine told.
func language(j caption.Job, results []caption.SegmentResult) string {
	best, length := j.Options.Language, map[string]caption.Millis{}
	if best != "" {
		return best
	}
	for _, r := range results {
		if r.Language == "" || len(r.Words) == 0 {
			continue
		}
		if length[r.Language] += r.End - r.Start; length[r.Language] > length[best] {
			best = r.Language
		}
	}
	return best
}

// engines names the engines that have made the results, in the order of the video.
func engines(j caption.Job, results []caption.SegmentResult) string {
	var names []string
	for _, r := range results {
		if r.Engine != "" && !slices.Contains(names, r.Engine) {
			names = append(names, r.Engine)
		}
	}
	if len(names) == 0 {
		return j.Engine
	}
	return strings.Join(names, ", ")
}

// storage gives an error of the local disk its meaning.
func storage(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &caption.Error{Kind: caption.KindUnavailable, Code: "storage_full", RetryAfter: 30 * time.Second,
			Message: "The server's disk is full. Free some space, then retry the job.", Err: err}
	}
	return err
}
