// Package transcribe turns one file into a transcript in this process, without a server, a queue or a store: probe,
// extract, recognise several segments at once, merge, cut cues. The workers of the server do the same in separate tasks
// and share [Merge].
package transcribe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media"
	"k8s-scalers/internal/speech"
)

// Options are how to transcribe. Engine and Cut are required; zero values of the rest mean the defaults.
type Options struct {
	Engine   speech.Recognizer
	Language string // BCP 47; empty: the engine's default or detection
	Diarize  bool
	Keyterms []string // words to expect
	// Profile names the profile of the cues in the transcript.
	Profile string
	// Cut makes cues of words.
	Cut        func(words []caption.Word) []caption.Cue
	AudioTrack int // index among the audio tracks
	// Workers is how many segments are recognised at once. Default: the engine's Parallelism.
	Workers int
	// SegmentLength to aim at. Default: that of [media.ExtractOptions].
	SegmentLength caption.Millis
	// MaxDuration of the sound. Default: that of [media.ExtractOptions].
	MaxDuration caption.Millis
	// TempDir is for the sound in a file, where an engine wants it so; empty: the system's.
	TempDir string
	// Progress, if set, is told how much has been recognised, and how much there is; total is 0 while that is unknown.
	// Calls do not overlap, and done never shrinks.
	Progress func(done, total caption.Millis)
}

// File transcribes one file. Errors are those of packages media and speech.
func File(ctx context.Context, path string, opt Options) (caption.Transcript, error) {
	info, err := media.Probe(ctx, path)
	if err != nil {
		return caption.Transcript{}, err
	}
	capabilities := opt.Engine.Capabilities()
	workers := opt.Workers
	if workers <= 0 {
		workers = max(capabilities.Parallelism, 1)
	}
	r := &run{opt: opt, engine: capabilities.Name, total: info.Duration}
	r.progress(0)
	length, err := r.segments(ctx, path, info, workers, extractOptions(opt, capabilities))
	if err != nil {
		return caption.Transcript{}, err
	}
	slices.SortFunc(r.results, func(a, b caption.SegmentResult) int { return cmp.Compare(a.Index, b.Index) })
	words := Merge(r.results)
	t := caption.Transcript{
		Language: opt.Language, Engine: capabilities.Name, Profile: opt.Profile, Duration: length,
		Words: words, Cues: opt.Cut(words),
	}
	for _, s := range r.results {
		if s.Language != "" {
			t.Language = s.Language
			break
		}
	}
	return t, nil
}

func extractOptions(opt Options, c speech.Capabilities) media.ExtractOptions {
	e := media.ExtractOptions{
		Track: opt.AudioTrack, Segment: opt.SegmentLength, MaxDuration: opt.MaxDuration, TempDir: opt.TempDir, Whole: c.WholeFile,
	}
	if c.MaxDuration > 0 && !e.Whole && (e.Segment == 0 || e.Segment > c.MaxDuration*3/4) {
		e.Segment = min(c.MaxDuration*3/4, 60*1000) // segments can be a third longer than the aim
	}
	return e
}

// run is one call of File.
type run struct {
	opt    Options
	engine string

	mu      sync.Mutex
	total   caption.Millis
	done    caption.Millis
	results []caption.SegmentResult
}

// segments recognises while it extracts. Extraction waits where all workers are busy, so that at most one segment more
// than there are workers is in memory.
func (r *run) segments(ctx context.Context, path string, info media.Info, workers int, e media.ExtractOptions) (caption.Millis, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	length, err := media.Extract(groupCtx, path, info, e, func(seg media.Segment) error {
		if seg.File != "" { // the file is gone after this call
			return r.segment(groupCtx, seg)
		}
		group.Go(func() error { return r.segment(groupCtx, seg) })
		return groupCtx.Err()
	})
	waitErr := group.Wait()
	switch {
	case ctx.Err() != nil:
		return 0, fmt.Errorf("transcribe: %w (%w)", ctx.Err(), context.Cause(ctx))
	case waitErr != nil: // the cause of an error of Extract, which the group's context ended
		return 0, waitErr
	case err != nil:
		return 0, err
	}
	return length, nil
}

func (r *run) segment(ctx context.Context, seg media.Segment) error {
	audio := speech.AudioOf(seg.PCM)
	if seg.File != "" {
		var err error
		if audio, err = speech.AudioFile(seg.File); err != nil {
			return err
		}
	}
	result, err := r.opt.Engine.Recognize(ctx, audio, speech.Request{Language: r.opt.Language, Diarize: r.opt.Diarize, Keyterms: r.opt.Keyterms})
	if err != nil {
		return fmt.Errorf("recognise segment %d: %w", seg.Index, err)
	}
	r.mu.Lock()
	r.results = append(r.results, caption.SegmentResult{
		Index: seg.Index, Start: seg.Start, End: seg.End, Words: Shift(result.Words, seg.Start), Language: result.Language, Engine: r.engine,
	})
	r.mu.Unlock()
	r.progress(seg.End - seg.Start)
	return nil
}

func (r *run) progress(more caption.Millis) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += more
	if r.total > 0 {
		r.total = max(r.total, r.done) // what the file says of its length may be wrong
	}
	if r.opt.Progress != nil {
		r.opt.Progress(r.done, r.total)
	}
}
