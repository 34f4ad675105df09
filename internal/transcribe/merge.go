package transcribe

import (
	"cmp"
	"slices"

	"k8s-scalers/internal/caption"
)

// Merge returns the words of all segments in order. Segments may come in any order; of several results of one segment
// the first counts. Words never overlap in the result, and each lasts at least a millisecond, so that every
// writer and reader of captions accepts their times.
func Merge(segments []caption.SegmentResult) []caption.Word {
	sorted := slices.Clone(segments)
	slices.SortStableFunc(sorted, func(a, b caption.SegmentResult) int { return cmp.Compare(a.Index, b.Index) })
	sorted = slices.CompactFunc(sorted, func(a, b caption.SegmentResult) bool { return a.Index == b.Index })
	n := 0
	for _, s := range sorted {
		n += len(s.Words)
	}
	words := make([]caption.Word, 0, n)
	var end caption.Millis
	for _, s := range sorted {
		for _, w := range s.Words {
			w.Start = max(w.Start, end)
			w.End = max(w.End, w.Start+1)
			end = w.End
			words = append(words, w)
		}
	}
	return words
}

// Shift returns the words with delta added to their times: from the start of a segment to the start of the video.
func Shift(words []caption.Word, delta caption.Millis) []caption.Word {
	shifted := slices.Clone(words)
	for i := range shifted {
		shifted[i].Start += delta
		shifted[i].End += delta
	}
	return shifted
}
