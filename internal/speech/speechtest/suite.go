package speechtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech"
)

// Engine is what the suite needs to know of an engine.
type Engine struct {
	// New returns an engine that the test may close. It stops at the latest when the test ends.
	New func(t *testing.T) speech.Recognizer
	// Voice of flite that the engine understands; default: rms.
	Voice string
	// MaxWER is the word error rate that is right for [Sentences] in that voice.
	MaxWER float64
	// Unsupported is a language that the engine refuses; empty where it refuses none.
	Unsupported string
}

// Run holds an engine to the contract of [speech.Recognizer].
func Run(t *testing.T, e Engine) {
	if e.Voice == "" {
		e.Voice = "rms"
	}
	t.Run("capabilities", e.capabilities)
	t.Run("speech", e.speech)
	t.Run("pause", e.pause)
	t.Run("no speech", e.noSpeech)
	t.Run("concurrent", e.concurrent)
	t.Run("cancel", e.cancel)
	t.Run("language", e.language)
	t.Run("bad audio", e.badAudio)
	t.Run("close", e.close)
}

func (e Engine) capabilities(t *testing.T) {
	r := e.New(t)
	c := r.Capabilities()
	require.NotEmpty(t, c.Name)
	require.GreaterOrEqual(t, c.Parallelism, 1)
	require.GreaterOrEqual(t, c.MaxDuration, caption.Millis(0))
	require.Equal(t, c, r.Capabilities())
}

func (e Engine) speech(t *testing.T) {
	r := e.New(t)
	var sounds [][]byte
	for _, s := range Sentences {
		sounds = append(sounds, Say(t, e.Voice, s), Silence(500))
	}
	audio := speech.AudioOf(Join(sounds...))
	result, err := r.Recognize(t.Context(), audio, speech.Request{})
	require.NoError(t, err)
	requireOrder(t, result.Words, audio.Duration)
	heard := Text(result.Words)
	require.LessOrEqual(t, WER(Sentences, []string{heard}), e.MaxWER, "heard: %s", heard)
	for _, w := range result.Words {
		if r.Capabilities().Confidence {
			require.NotNil(t, w.Confidence)
			require.GreaterOrEqual(t, *w.Confidence, 0.0)
			require.LessOrEqual(t, *w.Confidence, 1.0)
		}
	}
}

// requireOrder checks what holds for the words of every result.
func requireOrder(t *testing.T, words []caption.Word, length caption.Millis) {
	t.Helper()
	var last caption.Millis
	for _, w := range words {
		require.NotEmpty(t, w.Text)
		require.Equal(t, strings.TrimSpace(w.Text), w.Text)
		require.GreaterOrEqual(t, w.Start, last, "%+v starts before the end of the word before", w)
		require.Greater(t, w.End, w.Start, "%+v", w)
		last = w.End
	}
	require.LessOrEqual(t, last, length, "a word after the end of the sound")
}

func (e Engine) pause(t *testing.T) {
	r := e.New(t)
	before, after := Say(t, e.Voice, Sentences[0]), Say(t, e.Voice, Sentences[2])
	for _, pause := range []caption.Millis{1000, 3000, 20000} {
		lead := Join(Silence(pause), before, Silence(pause))
		result, err := r.Recognize(t.Context(), speech.AudioOf(Join(lead, after, Silence(pause))), speech.Request{})
		require.NoError(t, err)
		requireOrder(t, result.Words, pcm.Duration(int64(len(lead)+len(after)))+pause)
		if !r.Capabilities().WordTimes {
			continue
		}
		require.NotEmpty(t, result.Words)
		require.InDelta(t, (pause + Onset(before)).Seconds(), result.Words[0].Start.Seconds(), 0.3, "after %s of silence", pause.Duration())
		middle := pcm.Duration(int64(len(lead))) - pause/2
		second := slices.IndexFunc(result.Words, func(w caption.Word) bool { return w.Start > middle })
		require.Positive(t, second, "heard: %s", Text(result.Words))
		start := pcm.Duration(int64(len(lead))) + Onset(after)
		require.InDelta(t, start.Seconds(), result.Words[second].Start.Seconds(), 0.3, "after a pause of %s", pause.Duration())
		require.Less(t, result.Words[second-1].End, middle, "no word lies in the pause")
	}
}

func (e Engine) noSpeech(t *testing.T) {
	r := e.New(t)
	sounds := map[string][]byte{
		"nothing": nil, "one sample": {1, 0}, "silence": Silence(20000), "quiet noise": Noise(5000, 0.001), "noise": Noise(5000, 0.2),
		"click": Join(Silence(1000), Noise(10, 0.9), Silence(1000)),
	}
	for name, music := range Music(4000) {
		sounds[name] = Join(Silence(1000), music)
	}
	for name, sound := range sounds {
		result, err := r.Recognize(t.Context(), speech.AudioOf(sound), speech.Request{})
		require.NoError(t, err, name)
		require.Empty(t, Text(result.Words), name)
	}
}

func (e Engine) concurrent(t *testing.T) {
	r := e.New(t)
	const calls = 6
	heard := make([]string, calls)
	errs := make([]error, calls)
	sounds := make([][]byte, calls)
	for i := range calls {
		sounds[i] = Say(t, e.Voice, Sentences[i])
	}
	var group sync.WaitGroup
	for i := range calls {
		group.Go(func() {
			result, err := r.Recognize(t.Context(), speech.AudioOf(sounds[i]), speech.Request{})
			heard[i], errs[i] = Text(result.Words), err
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	for i := range calls {
		require.Less(t, WER(Sentences[i:i+1], heard[i:i+1]), 0.5, "call %d got the words of another one: %s", i, heard[i])
	}
}

func (e Engine) cancel(t *testing.T) {
	r := e.New(t)
	sentence := Say(t, e.Voice, Sentences[1])
	long := speech.AudioOf(bytes.Repeat(sentence, 10))

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Recognize(ended, long, speech.Request{})
	require.ErrorIs(t, err, context.Canceled, "before the call")

	// The end comes when the engine has read the sound and is at work on it.
	started := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	opened := long
	opened.Open = func() (io.ReadCloser, error) {
		time.AfterFunc(500*time.Millisecond, func() { close(started) })
		return long.Open()
	}
	go func() { <-started; cancel() }()
	_, err = r.Recognize(ctx, opened, speech.Request{})
	require.ErrorIs(t, err, context.Canceled, "during the call")

	late, cancelLate := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancelLate()
	_, err = r.Recognize(late, long, speech.Request{})
	require.ErrorIs(t, err, context.DeadlineExceeded)

	result, err := r.Recognize(t.Context(), speech.AudioOf(sentence), speech.Request{})
	require.NoError(t, err, "the engine goes on after calls that were given up")
	require.Less(t, WER(Sentences[1:2], []string{Text(result.Words)}), 0.5)
}

func (e Engine) language(t *testing.T) {
	r := e.New(t)
	sound := speech.AudioOf(Say(t, e.Voice, Sentences[0]))
	for _, language := range []string{"", "en", "en-US", "EN-us"} {
		result, err := r.Recognize(t.Context(), sound, speech.Request{Language: language})
		require.NoError(t, err, language)
		require.NotEmpty(t, result.Words, language)
	}
	if e.Unsupported == "" {
		return
	}
	_, err := r.Recognize(t.Context(), sound, speech.Request{Language: e.Unsupported})
	require.Equal(t, caption.KindInvalid, caption.KindOf(err))
	require.Equal(t, "language_unsupported", caption.CodeOf(err))
}

func (e Engine) badAudio(t *testing.T) {
	r := e.New(t)
	junk := speech.Audio{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("no WAV file at all")), nil },
		Size: 18, Duration: 1000,
	}
	_, err := r.Recognize(t.Context(), junk, speech.Request{})
	require.Equal(t, caption.KindInvalid, caption.KindOf(err))
	require.Equal(t, "audio_unreadable", caption.CodeOf(err))

	broken := errors.New("the disk is on fire")
	_, err = r.Recognize(t.Context(), speech.Audio{Open: func() (io.ReadCloser, error) { return nil, broken }}, speech.Request{})
	require.ErrorIs(t, err, broken)

	if most := r.Capabilities().MaxDuration; most > 0 {
		long := speech.AudioOf(nil)
		long.Duration = most + 1000
		_, err = r.Recognize(t.Context(), long, speech.Request{})
		require.Equal(t, "too_long", caption.CodeOf(err))
	}
}

func (e Engine) close(t *testing.T) {
	r := e.New(t)
	closer, ok := r.(io.Closer)
	if !ok {
		return
	}
	before := children(t)
	long := speech.AudioOf(bytes.Repeat(Say(t, e.Voice, Sentences[1]), 20))
	opened := long
	started := make(chan struct{})
	opened.Open = func() (io.ReadCloser, error) {
		time.AfterFunc(500*time.Millisecond, func() { close(started) })
		return long.Open()
	}
	failed := make(chan error)
	go func() {
		_, err := r.Recognize(t.Context(), opened, speech.Request{})
		failed <- err
	}()
	<-started
	require.NoError(t, errors.Join(asyncClose(closer, failed)...))
	require.NoError(t, closer.Close(), "a second time")
	_, err := r.Recognize(t.Context(), long, speech.Request{})
	require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "after Close")
	require.ElementsMatch(t, before, children(t), "no process is left")
}

// asyncClose closes while a call is in progress, and returns what went wrong.
func asyncClose(closer io.Closer, failed <-chan error) []error {
	errs := []error{closer.Close()}
	if err := <-failed; caption.KindOf(err) != caption.KindUnavailable {
		errs = append(errs, errors.New("the call in progress did not end as unavailable"), err)
	}
	return errs
}

// children returns the processes that this one has started, where the system tells.
func children(t *testing.T) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	var ids []int
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil { // the thread has ended
			continue
		}
		for f := range strings.FieldsSeq(string(b)) {
			id, err := strconv.Atoi(f)
			require.NoError(t, err)
			ids = append(ids, id)
		}
	}
	return ids
}
