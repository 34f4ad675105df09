package pcm

import (
	"math"
	"slices"

	"k8s-scalers/internal/caption"
)

// Sound is measured in frames of 10 ms.
const (
	FrameMillis  = 10
	FrameSamples = Rate * FrameMillis / 1000
	FrameBytes   = FrameSamples * BytesPerSample
)

// Span is a half-open range of frames.
type Span struct{ Start, End int }

// Frames returns how many frames s has.
func (s Span) Frames() int { return s.End - s.Start }

// Middle returns the frame in the middle of s.
func (s Span) Middle() int { return (s.Start + s.End) / 2 }

// FrameTime returns when a frame starts.
func FrameTime(frame int) caption.Millis { return caption.Millis(frame) * FrameMillis }

// Below these levels, in dB over a power of one unit squared, sound is inaudible or not there.
const (
	inaudible = 15
	silent    = 30
)

// Levels returns the power of each whole frame in dB; digital silence has 0, full scale about 90.
func Levels(data []byte) []float32 {
	levels := make([]float32, len(data)/FrameBytes)
	for i := range levels {
		frame := data[i*FrameBytes : (i+1)*FrameBytes]
		var power float64
		for j := range FrameSamples {
			v := float64(Sample(frame, j))
			power += v * v
		}
		levels[i] = float32(10 * math.Log10(power/FrameSamples+1))
	}
	return levels
}

// Pauses returns the spans of at least so many frames in which the sound is quiet compared with the rest, in order.
// Sound that is nowhere loud is one pause; loud sound without quieter places has none.
func Pauses(levels []float32, minimum int) []Span {
	if len(levels) == 0 {
		return nil
	}
	floor, top := spread(levels)
	if top < silent {
		return []Span{{0, len(levels)}}
	}
	threshold := floor + 0.3*(top-floor)
	if top-floor < 6 {
		threshold = inaudible
	}
	var pauses []Span
	for start := 0; start < len(levels); {
		if loudAround(levels, start, threshold) {
			start++
			continue
		}
		end := start + 1
		for end < len(levels) && !loudAround(levels, end, threshold) {
			end++
		}
		if end-start >= minimum {
			pauses = append(pauses, Span{start, end})
		}
		start = end
	}
	return pauses
}

// spread returns the level of the background and that of the loud parts. Inaudible frames do not count as background, for
// a fade to digital silence says nothing about the noise under the rest.
func spread(levels []float32) (floor, top float32) {
	sorted := slices.Clone(levels)
	slices.Sort(sorted)
	audible := sorted[firstAbove(sorted, inaudible):]
	if len(audible) == 0 {
		return 0, 0
	}
	return audible[len(audible)/20], audible[len(audible)*9/10]
}

func firstAbove(sorted []float32, level float32) int {
	i, _ := slices.BinarySearch(sorted, level)
	return i
}

// loudAround tells whether a frame belongs to a loud place: at least two of the frames around it are above the threshold,
// so that a click is no speech and a stop consonant no pause.
func loudAround(levels []float32, i int, threshold float32) bool {
	loud := 0
	for _, l := range levels[max(0, i-3):min(len(levels), i+4)] {
		if l > threshold {
			loud++
		}
	}
	return loud >= 2
}

// Quietest returns the middle of the quietest 200 ms within the span; it is where to cut when there is no pause.
func Quietest(levels []float32, within Span) int {
	const window = 20
	within.Start, within.End = max(within.Start, 0), min(within.End, len(levels))
	if within.Frames() <= window {
		return max(within.Middle(), 0)
	}
	var sum float64
	for _, l := range levels[within.Start : within.Start+window] {
		sum += float64(l)
	}
	best, at := sum, within.Start
	for i := within.Start + 1; i+window <= within.End; i++ {
		sum += float64(levels[i+window-1]) - float64(levels[i-1])
		if sum < best {
			best, at = sum, i
		}
	}
	return at + window/2
}
