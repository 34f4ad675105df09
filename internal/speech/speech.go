// Package speech defines what a speech engine is to the rest of the platform: the [Recognizer] port, what an engine can
// do, and the audio that it is given. The engines are in packages of their own below this one, and the suite that
// all of them pass is in speechtest. Where audio comes from and what becomes of the words is not decided here.
package speech

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
)

// Recognizer turns speech into words. Implementations are safe for concurrent use. One that holds processes or
// connections also implements [io.Closer]; Close ends calls in progress with an error.
type Recognizer interface {
	// Capabilities says what the engine can do. It is cheap, and the answer stays the same for the life of the engine.
	Capabilities() Capabilities
	// Recognize returns the words that are spoken in the audio, in order. Audio without speech gives no words and no error.
	//
	// Errors are *[caption.Error] of these kinds:
	//   - [caption.KindInvalid]: this audio or request will never work; trying again is useless. The code is
	//     "language_unsupported" for a language that the engine does not know, "too_long" for audio above MaxDuration,
	//     and "audio_unreadable" for audio that is not in the format of package pcm.
	//   - [caption.KindUnavailable] and [caption.KindRateLimited]: trying again may work, after RetryAfter where it is set.
	//   - [caption.KindInternal]: anything else. Trying again may work.
	//
	// When ctx ends, Recognize returns promptly with ctx's error in the chain.
	Recognize(ctx context.Context, a Audio, r Request) (Result, error)
}

// Capabilities says what an engine can do.
type Capabilities struct {
	// Name identifies the engine in configuration, results and metrics, for example "pocketsphinx".
	Name string
	// WordTimes is false where the times of words are spread over longer measured spans.
	WordTimes bool
	// Confidence is true where words have a confidence.
	Confidence bool
	// Languages that can be asked for, as BCP 47 primary subtags; the first is what an empty request gets, unless the
	// engine detects. Empty means that the engine has no list and tells by an error.
	Languages []string
	// LanguageDetection is true where an empty Request.Language makes the engine find out.
	LanguageDetection bool
	// Diarization is true where the engine can tell speakers apart.
	Diarization bool
	// Keyterms is true where the engine can be told words to expect.
	Keyterms bool
	// MaxDuration is the longest audio that one call takes; 0 means that there is no limit.
	MaxDuration caption.Millis
	// WholeFile is true where the engine wants the whole audio in one call, rather than segments.
	WholeFile bool
	// Parallelism is how many calls at once make the engine as fast as it gets; at least 1.
	Parallelism int
}

// Request is how to recognise.
type Request struct {
	Language string   // BCP 47; empty: the engine's default or detection
	Diarize  bool     // ignored by engines that cannot
	Keyterms []string // words to expect; ignored by engines that cannot
}

// Result is what was recognised.
type Result struct {
	// Words are in order, do not overlap, and lie within the audio; times count from the audio's start.
	Words []caption.Word
	// Language that was used or detected, BCP 47; empty where the engine does not tell.
	Language string
}

// Audio is a piece of sound for a recogniser: a WAV file in the format of package pcm.
type Audio struct {
	// Open returns the WAV file from its beginning. It may be called several times, for retries.
	Open     func() (io.ReadCloser, error)
	Size     int64 // of the WAV file, in bytes
	Duration caption.Millis
}

// AudioOf returns samples in the format of package pcm as [Audio], without copying them.
func AudioOf(samples []byte) Audio {
	return Audio{
		Open:     func() (io.ReadCloser, error) { return io.NopCloser(pcm.NewWAV(samples)), nil },
		Size:     pcm.WAVSize(int64(len(samples))),
		Duration: pcm.Duration(int64(len(samples))),
	}
}

// AudioBytes returns a whole WAV file in memory as [Audio]; the error is [pcm.ErrWAV] where it is not one.
func AudioBytes(wav []byte) (Audio, error) {
	r := bytes.NewReader(wav)
	size, err := pcm.ReadHeader(r)
	if err != nil {
		return Audio{}, err
	}
	return Audio{
		Open:     func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(wav)), nil },
		Size:     int64(len(wav)),
		Duration: pcm.Duration(min(size, int64(r.Len()))),
	}, nil
}

// AudioFile returns a WAV file on disk as [Audio]; the error is [pcm.ErrWAV] where it is not one.
func AudioFile(path string) (Audio, error) {
	f, err := os.Open(path)
	if err != nil {
		return Audio{}, fmt.Errorf("open audio: %w", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	stat, err := f.Stat()
	if err != nil {
		return Audio{}, fmt.Errorf("open audio: %w", err)
	}
	size, err := pcm.ReadHeader(f)
	if err != nil {
		return Audio{}, err
	}
	start, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return Audio{}, fmt.Errorf("open audio: %w", err)
	}
	return Audio{
		Open:     func() (io.ReadCloser, error) { return os.Open(path) },
		Size:     stat.Size(),
		Duration: pcm.Duration(min(size, stat.Size()-start)),
	}, nil
}

// PrimaryLanguage returns the primary subtag of a BCP 47 tag, in lower case: "en" of "en-US".
func PrimaryLanguage(tag string) string {
	primary, _, _ := strings.Cut(strings.ReplaceAll(tag, "_", "-"), "-")
	return strings.ToLower(primary)
}

// LanguageUnsupported returns the error for a language that an engine does not know.
func LanguageUnsupported(c Capabilities, tag string) error {
	return caption.Errorf(caption.KindInvalid, "The engine %s does not know the language %.35q. It knows: %s. Choose one of these, or another engine.",
		c.Name, tag, strings.Join(c.Languages, ", ")).WithCode("language_unsupported")
}
