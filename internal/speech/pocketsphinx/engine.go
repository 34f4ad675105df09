package pocketsphinx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech"
)

// Name of the engine.
const Name = "pocketsphinx"

// longest is the longest audio of one call. It is read into memory: half an hour takes 58 MB.
const longest = 30 * 60 * 1000

// Deps are what an engine needs. Zero values mean the defaults.
type Deps struct {
	Program string // default: pocketsphinx_batch, found in PATH
	// Model is the folder with the acoustic model (en-us), the dictionary (cmudict-en-us.dict) and the language model
	// (en-us.lm.bin). Default: where the Debian package pocketsphinx-en-us puts it.
	Model     string
	Processes int           // how many at once; default: one a core
	Idle      time.Duration // how long a process may have nothing to do before it is stopped; default: 30 s
	TempDir   string        // for utterances, at most half a megabyte a process; empty: the system's
	Logger    *slog.Logger
}

// Engine is a [speech.Recognizer]. Its processes are started when they are needed and stopped when they are idle.
type Engine struct {
	deps  Deps
	slots chan struct{} // one for each process that may run; waiting callers are served in their order

	closing context.Context // ends with Close
	close   context.CancelFunc

	mu    sync.Mutex
	calls sync.WaitGroup
	idle  []*process // the last one was used last
}

var _ speech.Recognizer = (*Engine)(nil)

// New returns an engine, or the error of [Engine.Check]. It starts nothing.
func New(d Deps) (*Engine, error) {
	d.Program = cmp.Or(d.Program, "pocketsphinx_batch")
	d.Model = cmp.Or(d.Model, "/usr/share/pocketsphinx/model/en-us")
	d.Idle = cmp.Or(d.Idle, 30*time.Second)
	if d.Processes <= 0 {
		d.Processes = runtime.GOMAXPROCS(0)
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{deps: d, slots: make(chan struct{}, d.Processes)}
	e.closing, e.close = context.WithCancel(context.Background())
	return e, e.Check()
}

// Check tells whether the program and its model are there; the error says what to install.
func (e *Engine) Check() error {
	if _, err := exec.LookPath(e.deps.Program); err != nil {
		return missing("The speech engine PocketSphinx is not installed", err)
	}
	for _, file := range []string{hmm, dict, lm} {
		if _, err := os.Stat(filepath.Join(e.deps.Model, file)); err != nil {
			return missing("The English model of the speech engine PocketSphinx is not installed", err)
		}
	}
	return nil
}

func missing(what string, err error) error {
	return caption.Errorf(caption.KindUnavailable, "%s. On Debian and Ubuntu: apt-get install pocketsphinx pocketsphinx-en-us", what).
		WithCode("engine_missing").WithCause(err)
}

// Capabilities says what the engine can do with one process, also where it is not installed.
func Capabilities() speech.Capabilities {
	return speech.Capabilities{Name: Name, WordTimes: true, Confidence: true, Languages: []string{"en"}, MaxDuration: longest, Parallelism: 2}
}

// Capabilities implements [speech.Recognizer].
func (e *Engine) Capabilities() speech.Capabilities {
	c := Capabilities()
	// One call spreads over all processes, but its end leaves some of them idle; a second call fills that.
	c.Parallelism = max(2, e.deps.Processes)
	return c
}

var errClosed = caption.Errorf(caption.KindUnavailable, "The speech engine is stopping. Try again.").WithCode("engine_closed")

// Recognize implements [speech.Recognizer].
func (e *Engine) Recognize(ctx context.Context, a speech.Audio, r speech.Request) (speech.Result, error) {
	if r.Language != "" && speech.PrimaryLanguage(r.Language) != "en" {
		return speech.Result{}, speech.LanguageUnsupported(e.Capabilities(), r.Language)
	}
	if a.Duration > longest {
		return speech.Result{}, caption.Errorf(caption.KindInvalid, "The sound is longer than the %s that the engine takes at once.",
			caption.Millis(longest).Duration()).WithCode("too_long")
	}
	if err := e.begin(); err != nil {
		return speech.Result{}, err
	}
	defer e.calls.Done()
	open, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.closing, cancel)()

	words, err := e.hear(open, a)
	switch {
	case err == nil:
		return speech.Result{Words: words, Language: "en-US"}, nil
	case ctx.Err() != nil: // whatever failed then failed because of it
		return speech.Result{}, fmt.Errorf("recognise: %w (%w)", ctx.Err(), context.Cause(ctx))
	case open.Err() != nil:
		return speech.Result{}, errClosed
	default:
		return speech.Result{}, err
	}
}

// begin registers a call with Close.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing.Err() != nil {
		return errClosed
	}
	e.calls.Add(1)
	return nil
}

func (e *Engine) hear(ctx context.Context, a speech.Audio) ([]caption.Word, error) {
	sound, err := read(a)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return e.recognize(ctx, sound)
}

func read(a speech.Audio) ([]byte, error) {
	f, err := a.Open()
	if err != nil {
		return nil, fmt.Errorf("open audio: %w", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	sound, err := pcm.ReadAll(f)
	switch {
	case errors.Is(err, pcm.ErrWAV):
		return nil, caption.Errorf(caption.KindInvalid, "The sound is not in the format that the engine takes.").
			WithCode("audio_unreadable").WithCause(err)
	case err != nil:
		return nil, fmt.Errorf("read audio: %w", err)
	}
	return sound, nil
}

// recognize spreads the utterances over the processes. A call waits for at most as many slots as there are, so that
// calls at the same time get the processes in turns.
func (e *Engine) recognize(ctx context.Context, sound []byte) ([]caption.Word, error) {
	utterances := cutUtterances(sound)
	heard := make([][]caption.Word, len(utterances))
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(e.deps.Processes, len(utterances)) {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(utterances) {
					return nil
				}
				var err error
				if heard[i], err = e.utterance(ctx, sound, utterances[i]); err != nil {
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var words []caption.Word
	for _, w := range heard {
		words = append(words, w...)
	}
	return words, nil
}

// utterance recognises one utterance, with a second process where the first one breaks.
func (e *Engine) utterance(ctx context.Context, sound []byte, u utterance) ([]caption.Word, error) {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	raw := sound[u.Start*pcm.FrameBytes : u.End*pcm.FrameBytes]
	var words []recognized
	for attempt := 1; ; attempt++ {
		var err error
		if words, err = e.decode(ctx, raw, attempt > 1); err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if e.closing.Err() != nil {
			return nil, errClosed
		}
		e.deps.Logger.WarnContext(ctx, "a pocketsphinx process failed", "attempt", attempt, "error", err)
		if attempt == 2 {
			return nil, caption.Errorf(caption.KindUnavailable, "The speech engine stopped unexpectedly. Try again.").
				WithCode("engine_failed").WithCause(err)
		}
	}
	if !spoken(words, u) {
		return nil, nil
	}
	return place(words, pcm.FrameTime(u.Start), pcm.FrameTime(u.End)), nil
}

// decode uses a process, which it keeps for the next utterance if all went well. A second attempt gets a fresh one, for
// whatever ended the first process may have ended all that were idle.
func (e *Engine) decode(ctx context.Context, raw []byte, fresh bool) ([]recognized, error) {
	p, err := e.take(fresh)
	if err != nil {
		return nil, err
	}
	words, err := p.decode(ctx, raw)
	if err != nil {
		return nil, p.explain(err)
	}
	e.keep(p)
	return words, nil
}

// take returns the idle process that was used last, or else a new one.
func (e *Engine) take(fresh bool) (*process, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.idle); n > 0 && !fresh {
		p := e.idle[n-1]
		e.idle = e.idle[:n-1]
		p.expiry.Stop()
		return p, nil
	}
	return start(e.closing, e.deps)
}

func (e *Engine) keep(p *process) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.idle = append(e.idle, p)
	p.expiry = time.AfterFunc(e.deps.Idle, func() { e.expire(p) })
}

// expire stops p unless it was taken while the timer fired.
func (e *Engine) expire(p *process) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, idle := range e.idle {
		if idle == p {
			e.idle = append(e.idle[:i], e.idle[i+1:]...)
			p.stop()
			return
		}
	}
}

// Close ends all calls in progress with an error and stops all processes.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.close()
	e.mu.Unlock()
	e.calls.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.idle {
		p.expiry.Stop()
		p.stop()
	}
	e.idle = nil
	return nil
}
