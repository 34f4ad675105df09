package transcribe_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/pocketsphinx"
	"k8s-scalers/internal/speech/speechtest"
	"k8s-scalers/internal/subtitle"
	"k8s-scalers/internal/transcribe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// beeps is a recogniser of a language of one word: each loud sound between pauses.
type beeps struct {
	capabilities speech.Capabilities
	running      atomic.Int64
	most         atomic.Int64
	fail         func(a speech.Audio) error
}

func (b *beeps) Capabilities() speech.Capabilities {
	c := b.capabilities
	c.Name, c.Parallelism = "beeps", max(c.Parallelism, 1)
	return c
}

func (b *beeps) Recognize(ctx context.Context, a speech.Audio, _ speech.Request) (speech.Result, error) {
	defer b.running.Add(-1)
	for n := b.running.Add(1); ; {
		if most := b.most.Load(); n <= most || b.most.CompareAndSwap(most, n) {
			break
		}
	}
	if b.fail != nil {
		if err := b.fail(a); err != nil {
			return speech.Result{}, err
		}
	}
	f, err := a.Open()
	if err != nil {
		return speech.Result{}, err
	}
	defer func() { _ = f.Close() }() // It was only read.
	sound, err := pcm.ReadAll(f)
	if err != nil {
		return speech.Result{}, err
	}
	var words []caption.Word
	levels := pcm.Levels(sound)
	start := 0
	pauses := append(pcm.Pauses(levels, 10), pcm.Span{Start: len(levels), End: len(levels)})
	for _, p := range pauses {
		if p.Start > start {
			words = append(words, caption.Word{Text: "beep", Start: pcm.FrameTime(start), End: pcm.FrameTime(p.Start)})
		}
		start = p.End
	}
	return speech.Result{Words: words, Language: "x-beep"}, ctx.Err()
}

func oneCue(words []caption.Word) []caption.Cue {
	if len(words) == 0 {
		return nil
	}
	return []caption.Cue{{Start: words[0].Start, End: words[len(words)-1].End, Text: "…"}}
}

func ffmpeg(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), args[len(args)-1])
	args = append([]string{"-nostdin", "-v", "error", "-y"}, append(args[:len(args)-1:len(args)-1], path)...)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput()
	require.NoError(t, err, "ffmpeg %v: %s", args, out)
	return path
}

// beeping makes a file with a beep of half a second at the start of every fourth second.
func beeping(t *testing.T, seconds string) string {
	t.Helper()
	return ffmpeg(t, "-f", "lavfi", "-i", "aevalsrc='0.5*sin(2*PI*440*t)*lt(mod(t,4),0.5)':s=16000:d="+seconds, "x.flac")
}

func TestFile(t *testing.T) {
	path := beeping(t, "200")
	for name, capabilities := range map[string]speech.Capabilities{
		"segments":     {Parallelism: 3},
		"one by one":   {},
		"whole":        {WholeFile: true},
		"short limit":  {MaxDuration: 20000, Parallelism: 2},
		"no use of it": {MaxDuration: 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			engine := &beeps{capabilities: capabilities}
			if most := capabilities.MaxDuration; most > 0 {
				engine.fail = func(a speech.Audio) error {
					require.LessOrEqual(t, a.Duration, most)
					return nil
				}
			}
			var done, total caption.Millis
			calls := 0
			result, err := transcribe.File(t.Context(), path, transcribe.Options{
				Engine: engine, Cut: oneCue, Profile: "plain", TempDir: t.TempDir(),
				Progress: func(d, of caption.Millis) {
					require.GreaterOrEqual(t, d, done)
					done, total = d, of
					calls++
				},
			})
			require.NoError(t, err)
			require.Equal(t, caption.Millis(200000), result.Duration)
			require.Equal(t, result.Duration, done)
			require.Equal(t, result.Duration, total)
			require.GreaterOrEqual(t, calls, 2)
			require.Equal(t, "beeps", result.Engine)
			require.Equal(t, "x-beep", result.Language)
			require.Equal(t, "plain", result.Profile)
			require.Len(t, result.Words, 50)
			for i, w := range result.Words {
				require.InDelta(t, 4000*i, int(w.Start), 50)
				require.InDelta(t, 4000*i+500, int(w.End), 50)
			}
			require.Equal(t, oneCue(result.Words), result.Cues)
			require.LessOrEqual(t, engine.most.Load(), int64(engine.Capabilities().Parallelism))
		})
	}
}

func TestFileErrors(t *testing.T) {
	path := beeping(t, "100")
	empty := filepath.Join(t.TempDir(), "x.mp4")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	_, err := transcribe.File(t.Context(), empty, transcribe.Options{Engine: &beeps{}, Cut: oneCue})
	require.Equal(t, media.EmptyFile, caption.CodeOf(err))

	broken := errors.New("the engine is on fire")
	engine := &beeps{fail: func(speech.Audio) error { return broken }}
	_, err = transcribe.File(t.Context(), path, transcribe.Options{Engine: engine, Cut: oneCue, SegmentLength: 5000})
	require.ErrorIs(t, err, broken)

	ctx, cancel := context.WithCancel(t.Context())
	engine = &beeps{fail: func(speech.Audio) error { cancel(); return ctx.Err() }}
	_, err = transcribe.File(ctx, path, transcribe.Options{Engine: engine, Cut: oneCue, SegmentLength: 5000})
	require.ErrorIs(t, err, context.Canceled)
}

// TestSpeech runs the real engine on a video whose segments are so short that most sentences are at a cut.
func TestSpeech(t *testing.T) {
	engine, err := pocketsphinx.New(pocketsphinx.Deps{TempDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	profile, err := subtitle.ProfileNamed("netflix")
	require.NoError(t, err)

	sounds := [][]byte{speechtest.Silence(3000)}
	var starts []caption.Millis
	at := caption.Millis(3000)
	for _, sentence := range speechtest.Sentences {
		sound := speechtest.Say(t, "rms", sentence)
		starts = append(starts, at+speechtest.Onset(sound))
		sounds = append(sounds, sound, speechtest.Silence(800))
		at += pcm.Duration(int64(len(sound))) + 800
	}
	wav := filepath.Join(t.TempDir(), "x.wav")
	sound := speechtest.Join(sounds...)
	require.NoError(t, os.WriteFile(wav, speechtest.Join(pcm.Header(int64(len(sound))), sound), 0o600))
	path := ffmpeg(t, "-f", "lavfi", "-i", "testsrc=s=160x120:r=10", "-i", wav, "-shortest", "-c:v", "mpeg4", "-c:a", "aac", "x.mp4")

	result, err := transcribe.File(t.Context(), path, transcribe.Options{
		Engine: engine, Cut: func(w []caption.Word) []caption.Cue { return subtitle.Cut(w, profile) }, SegmentLength: 6000,
	})
	require.NoError(t, err)
	heard := speechtest.Text(result.Words)
	require.LessOrEqual(t, speechtest.WER(speechtest.Sentences, []string{heard}), 0.15, heard)
	require.NoError(t, subtitle.Check(result.Cues))
	for i, start := range starts { // a word starts where each sentence does
		near := false
		for _, w := range result.Words {
			near = near || max(w.Start-start, start-w.Start) <= 300
		}
		require.True(t, near, "sentence %d starts at %s: %v", i, start.Duration(), result.Words)
	}
}
