package speechtest

import (
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
)

// Sentences are plain English that engines understand well when the voice rms says them.
var Sentences = []string{
	"The old bridge crossed the river just below the town.",
	"Every morning the farmers brought their vegetables to the market and sold them before noon.",
	"My brother works in a small hospital near the coast.",
	"Last summer we walked along the beach for several hours and talked about our plans for the future.",
	"The museum has a large collection of paintings from the last century.",
	"Visitors can walk through the rooms alone or join a group with a guide.",
}

// Say returns the text as spoken by a voice of flite (rms, slt, awb, kal16), in the format of package pcm.
func Say(t testing.TB, voice, text string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "speech.wav")
	cmd := exec.CommandContext(t.Context(), "flite", "-voice", voice, "-o", file, "-t", text)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "flite (Debian package flite): %s", out)
	return ReadWAV(t, file)
}

// ReadWAV returns the sound of a WAV file in the format of package pcm, with which it must agree.
func ReadWAV(t testing.TB, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = f.Close() }() // It was only read.
	sound, err := pcm.ReadAll(f)
	require.NoError(t, err, file)
	return sound
}

// Silence returns digital silence.
func Silence(d caption.Millis) []byte { return make([]byte, pcm.Bytes(d)) }

// Sound returns what wave says, a value from -1 to 1 for each time in seconds.
func Sound(d caption.Millis, wave func(at float64) float64) []byte {
	sound := make([]byte, 0, pcm.Bytes(d))
	for i := range int(pcm.Bytes(d)) / pcm.BytesPerSample {
		v := int16(math.Round(math.MaxInt16 * min(1, max(-1, wave(float64(i)/pcm.Rate)))))
		sound = append(sound, byte(v), byte(uint16(v)>>8))
	}
	return sound
}

// Noise returns white noise of an amplitude from 0 to 1, the same each time.
func Noise(d caption.Millis, amplitude float64) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	return Sound(d, func(float64) float64 { return amplitude * (2*r.Float64() - 1) })
}

// Music returns pieces that resemble music, by name.
func Music(d caption.Millis) map[string][]byte {
	sine := func(at, hertz float64) float64 { return math.Sin(2 * math.Pi * hertz * at) }
	note := func(at, perSecond float64, steps, semitones int) float64 { // the pitch of a melody at a time
		return math.Pow(2, float64(int(at*perSecond)%steps*semitones)/12)
	}
	fade := func(at, perSecond, speed float64) float64 { return math.Exp(-speed * math.Mod(at, 1/perSecond)) }
	r := rand.New(rand.NewPCG(3, 4))
	drums := func(at float64) float64 {
		return 0.6*sine(math.Mod(at, 0.5), 60)*fade(at, 2, 15) + 0.3*(r.Float64()-0.5)*fade(at+0.25, 2, 30)
	}
	chord := func(at float64) float64 {
		k := note(at, 1, 4, 2)
		return 0.2 * (sine(at, 261.6*k) + sine(at, 329.6*k) + sine(at, 392*k))
	}
	arpeggio := func(at float64) float64 { return 0.5 * sine(at, 220*note(at, 6, 5, 3)) * fade(at, 6, 4) }
	return map[string][]byte{
		"chords":   Sound(d, chord),
		"arpeggio": Sound(d, arpeggio),
		"drums":    Sound(d, drums),
		"band":     Sound(d, func(at float64) float64 { return 0.5*chord(at) + 0.5*arpeggio(at) + drums(at) }),
		"melody": Sound(d, func(at float64) float64 {
			return 0.3 * (math.Mod(at*330*note(at, 3, 8, 2), 1) - 0.5) * (1 - 0.8*math.Mod(3*at, 1))
		}),
	}
}

// Join returns the sounds one after the other.
func Join(sounds ...[]byte) []byte { return slices.Concat(sounds...) }

// Onset returns when a sound first becomes loud: where its first word starts.
func Onset(sound []byte) caption.Millis {
	levels := pcm.Levels(sound)
	for _, p := range pcm.Pauses(levels, 1) {
		if p.Start == 0 {
			return pcm.FrameTime(p.End)
		}
	}
	return 0
}

// Text returns the words of a result as a text.
func Text(words []caption.Word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.Text)
	}
	return b.String()
}
