package media

import (
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
)

// splitter is a writer of sound that cuts it at silences. It holds at most one segment.
type splitter struct {
	target caption.Millis
	each   func(Segment) error
	buf    []byte
	next   Segment // index and start of the next one
}

func newSplitter(target caption.Millis, each func(Segment) error) *splitter {
	return &splitter{target: max(target, 1000), each: each}
}

func (s *splitter) longest() int { return int(pcm.Bytes(s.target * 4 / 3)) }

// Write takes sound. It calls each for every segment that is complete.
func (s *splitter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if s.buf == nil {
			s.buf = make([]byte, 0, s.longest())
		}
		k := min(len(p), s.longest()-len(s.buf))
		s.buf, p = append(s.buf, p[:k]...), p[k:]
		if len(s.buf) < s.longest() {
			break
		}
		if err := s.emit(s.cut()); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// flush emits the rest.
func (s *splitter) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	return s.emit(len(s.buf))
}

// cut returns where in the full buffer to cut: in the middle of a pause that is long and near the target.
func (s *splitter) cut() int {
	levels := pcm.Levels(s.buf)
	target := int(s.target / pcm.FrameMillis)
	window := pcm.Span{Start: target * 2 / 3, End: len(levels)}
	const shortest, longEnough = 20, 100 // frames; beyond a second a pause is as good as any
	best, bestScore := -1, 0.0
	for _, p := range pcm.Pauses(levels, shortest) {
		p.Start, p.End = max(p.Start, window.Start), min(p.End, window.End)
		if p.Frames() < shortest {
			continue
		}
		at := p.Middle()
		if p.Frames() > longEnough { // anywhere in it, but not at its edges, where speech fades
			at = min(max(target, p.Start+longEnough/2), p.End-longEnough/2)
		}
		distance := float64(max(at-target, target-at)) / float64(target) // up to 1/3
		score := float64(min(p.Frames(), longEnough)) - 150*distance
		if best < 0 || score > bestScore {
			best, bestScore = at, score
		}
	}
	if best < 0 {
		best = pcm.Quietest(levels, window)
	}
	return best * pcm.FrameBytes
}

func (s *splitter) emit(n int) error {
	seg := s.next
	seg.PCM = s.buf[:n:n]
	seg.End = seg.Start + pcm.Duration(int64(n))
	rest := s.buf[n:]
	s.buf = nil
	if len(rest) > 0 {
		s.buf = append(make([]byte, 0, s.longest()), rest...)
	}
	s.next = Segment{Index: seg.Index + 1, Start: seg.End}
	return s.each(seg)
}
