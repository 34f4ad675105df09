package openai

import (
	"slices"
	"sync"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
)

// inaudible is the level in dB, as [pcm.Levels] tells it, up to which a frame holds no speech.
const inaudible = 30

// meter measures the level of sound that passes by. It is safe for concurrent use, because an answer may come while sound is
// still being sent.
type meter struct {
	mu     sync.Mutex
	rest   []byte // less than a frame
	levels []float32
}

// tap takes more samples; restart says that they are the first.
func (m *meter) tap(samples []byte, restart bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if restart {
		m.rest, m.levels = m.rest[:0], m.levels[:0]
	}
	if len(m.rest) > 0 { // fill up the frame
		n := min(pcm.FrameBytes-len(m.rest), len(samples))
		m.rest = append(m.rest, samples[:n]...)
		samples = samples[n:]
		if len(m.rest) < pcm.FrameBytes {
			return
		}
		m.levels = append(m.levels, pcm.Levels(m.rest)...)
		m.rest = m.rest[:0]
	}
	whole := len(samples) / pcm.FrameBytes * pcm.FrameBytes
	m.levels = append(m.levels, pcm.Levels(samples[:whole])...)
	m.rest = append(m.rest, samples[whole:]...)
}

// silent tells whether nothing can be heard in a span of at least a frame. What was not sent is not silent.
func (m *meter) silent(start, end caption.Millis) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, to := int(start/pcm.FrameMillis), int((end+pcm.FrameMillis-1)/pcm.FrameMillis)
	from = max(from, 0)
	if to <= from || from >= len(m.levels) {
		return false
	}
	return !slices.ContainsFunc(m.levels[from:min(to, len(m.levels))], func(l float32) bool { return l > inaudible })
}
