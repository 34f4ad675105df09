package transcribe_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/transcribe"
)

func TestMerge(t *testing.T) {
	confidence := 0.9
	word := func(text string, start, end caption.Millis) caption.Word {
		return caption.Word{Text: text, Start: start, End: end, Confidence: &confidence, Speaker: "Speaker 1"}
	}
	got := transcribe.Merge([]caption.SegmentResult{
		{Index: 2, Words: []caption.Word{word("five", 3000, 3500)}},
		{Index: 0, Words: []caption.Word{word("one", 0, 500), word("two", 500, 1010)}},
		{Index: 1, Words: []caption.Word{word("three", 1000, 1000), word("four", 1500, 1600)}},
		{Index: 1, Words: []caption.Word{word("again", 1500, 1600)}},
		{Index: 3},
	})
	want := []caption.Word{
		word("one", 0, 500), word("two", 500, 1010), word("three", 1010, 1011), word("four", 1500, 1600), word("five", 3000, 3500),
	}
	require.Empty(t, cmp.Diff(want, got))
	require.Empty(t, transcribe.Merge(nil))
}

func TestMergeAnyWords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		segments := make([]caption.SegmentResult, r.IntN(5))
		n := 0
		for i := range segments {
			segments[i].Index = i
			for range r.IntN(10) {
				start := caption.Millis(r.IntN(10000))
				segments[i].Words = append(segments[i].Words, caption.Word{Text: "w", Start: start, End: start + caption.Millis(r.IntN(500)-100)})
				n++
			}
		}
		words := transcribe.Merge(segments)
		require.Len(t, words, n, "no word is lost")
		var last caption.Millis
		for _, w := range words {
			require.GreaterOrEqual(t, w.Start, last)
			require.Greater(t, w.End, w.Start)
			last = w.End
		}
	}
}

func TestShift(t *testing.T) {
	words := []caption.Word{{Text: "one", Start: 1, End: 2}}
	require.Equal(t, []caption.Word{{Text: "one", Start: 11, End: 12}}, transcribe.Shift(words, 10))
	require.Equal(t, caption.Millis(1), words[0].Start, "the argument stays as it was")
}
