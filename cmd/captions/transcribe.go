package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/backend"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/config"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/subtitle"
	"k8s-scalers/internal/transcribe"
)

// engineAttempts is how often a call of an engine behind HTTP is tried, with pauses of some seconds.
const engineAttempts = 5

type transcribeCmd struct {
	outputFlags
	jobFlags
	Files []string `arg:"" name:"file" help:"Videos or audio files."`
	Jobs  int      `short:"j" help:"How many cores to use. Default: all." placeholder:"N"`
}

// Help implements kong.HelpProvider.
func (transcribeCmd) Help() string {
	return `Reads mp4, mov, mkv, webm, avi, mpegts, mp3, m4a, wav, flac, ogg, opus and aac. A file that cannot be captioned is
reported and the others go on; the exit code is then 1.

Examples:
  captions transcribe talk.mp4
  captions transcribe -f vtt,srt -o captions/ *.mp4
  captions transcribe -f txt -o - interview.mp3 | wc -w
  captions transcribe --profile bbc --force talk.mp4`
}

func (c transcribeCmd) Run(e *env) error {
	outs, err := c.plan(c.Files)
	if err != nil {
		return err
	}
	profile, err := subtitle.ProfileNamed(c.Profile)
	if err != nil {
		return err
	}
	if c.Jobs < 0 {
		return usage("-j is at least 1.")
	}
	if c.Jobs == 0 {
		c.Jobs = runtime.GOMAXPROCS(0)
	}
	var settings config.Engines
	if err := config.Load(&settings); err != nil {
		return err
	}
	engine, err := backend.Engine(c.Engine, settings, backend.EngineOptions{Processes: c.Jobs, Attempts: engineAttempts})
	if err != nil {
		return err
	}
	if c, ok := engine.(io.Closer); ok {
		defer func() { _ = c.Close() }() // Its processes are killed; nothing of theirs is kept.
	}

	if can := engine.Capabilities(); c.Diarize && !can.Diarization {
		return usage("The engine %s cannot tell speakers apart. Leave --diarize out, or choose another engine with --engine.", can.Name)
	}

	if can := engine.Capabilities(); len(c.Keyterm) > 0 && !can.Keyterms {
		return usage("The engine %s cannot be told words to expect. Leave --keyterm out, or choose another engine with --engine.", can.Name)
	}

	p := newProgress(e.stderr)
	defer p.done()
	var failed atomic.Bool
	var g errgroup.Group
	// The engine spreads each file over all cores; a second file at a time fills the gaps at the ends of the first.
	g.SetLimit(2)
	for _, o := range outs {
		if e.ctx.Err() != nil {
			break
		}
		b := p.bar(o.input)
		g.Go(func() error {
			if err := c.one(e, o, b, engine, profile); err != nil && e.ctx.Err() == nil {
				failed.Store(true)
				b.fail(userText(err))
			}
			return nil
		})
	}
	_ = g.Wait() // Each file has reported its own error.
	if err := e.ctx.Err(); err != nil {
		return err
	}
	if failed.Load() {
		return errReported
	}
	return nil
}

func (c transcribeCmd) one(e *env, o output, b bar, engine speech.Recognizer, profile subtitle.Profile) error {
	if err := checkInput(o.input); err != nil {
		return err
	}
	if err := o.exists(); err != nil {
		return err
	}
	t, err := transcribe.File(e.ctx, o.input, transcribe.Options{
		Engine: engine, Language: c.Language, Diarize: c.Diarize, Keyterms: c.Keyterm, Profile: profile.Name, AudioTrack: c.AudioTrack, Workers: c.Jobs,
		Cut: func(w []caption.Word) []caption.Cue { return subtitle.Cut(w, profile) },
		Progress: func(done, total caption.Millis) {
			if total > 0 {
				b.set("transcribing", min(1, float64(done)/float64(total)))
			}
		},
	})
	if err != nil {
		return err
	}
	err = o.write(func(format string, f *os.File) error {
		return subtitle.Write(f, format, t, subtitle.Options{Speakers: c.Speakers})
	}, e.stdout)
	if err != nil {
		return err
	}
	if len(t.Words) == 0 {
		b.end("no speech found; " + o.summary())
		return nil
	}
	b.end(fmt.Sprintf("%s (%d captions)", o.summary(), len(t.Cues)))
	return nil
}

// checkInput refuses what is not a readable file, in words.
func checkInput(path string) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return caption.Errorf(caption.KindInvalid, "there is no such file")
	case err != nil:
		return caption.Errorf(caption.KindInvalid, "it cannot be read: %v", errors.Unwrap(err))
	case st.IsDir():
		return caption.Errorf(caption.KindInvalid, "it is a folder; name the files in it")
	case !st.Mode().IsRegular():
		return caption.Errorf(caption.KindInvalid, "it is not a regular file; save it to a file first")
	}
	f, err := os.Open(path)
	if err != nil {
		return caption.Errorf(caption.KindInvalid, "it may not be read: its permissions forbid it")
	}
	return f.Close()
}
