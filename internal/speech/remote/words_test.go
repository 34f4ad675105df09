package remote_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech/remote"
)

func TestPlace(t *testing.T) {
	high, one := 1.5, 1.0
	for name, c := range map[string]struct {
		words []remote.Word
		want  []caption.Word
	}{
		"nothing": {nil, []caption.Word{}},
		"as it is": {
			[]remote.Word{{Text: "a", Start: 0.1, End: 0.25}, {Text: "b", Start: 0.25, End: 0.3, Speaker: "Speaker 1"}},
			[]caption.Word{{Text: "a", Start: 100, End: 250}, {Text: "b", Start: 250, End: 300, Speaker: "Speaker 1"}},
		},
		"white space":  {[]remote.Word{{Text: " a \n b", End: 1}, {Text: " \t", Start: 1, End: 2}}, []caption.Word{{Text: "a b", End: 1000}}},
		"confidence":   {[]remote.Word{{Text: "a", End: 1, Confidence: &high}}, []caption.Word{{Text: "a", End: 1000, Confidence: &one}}},
		"no length":    {[]remote.Word{{Text: "a", Start: 1, End: 1}}, []caption.Word{{Text: "a", Start: 1000, End: 1001}}},
		"negative":     {[]remote.Word{{Text: "a", Start: -1, End: 1}}, []caption.Word{{Text: "a", End: 1000}}},
		"end is early": {[]remote.Word{{Text: "a", Start: 2, End: 1}}, []caption.Word{{Text: "a", Start: 2000, End: 2001}}},
		"not a number": {[]remote.Word{{Text: "a", Start: math.NaN(), End: 1}}, []caption.Word{{Text: "a", End: 1000}}},
		"overlap": { // the start of the second is believed
			[]remote.Word{{Text: "a", Start: 0, End: 3}, {Text: "b", Start: 1, End: 2}},
			[]caption.Word{{Text: "a", End: 1000}, {Text: "b", Start: 1000, End: 2000}},
		},
		"a wild end": {
			[]remote.Word{{Text: "a", Start: 0, End: 1e300}, {Text: "b", Start: 1, End: 2}},
			[]caption.Word{{Text: "a", End: 1000}, {Text: "b", Start: 1000, End: 2000}},
		},
		"out of order": {
			[]remote.Word{{Text: "a", Start: 2, End: 3}, {Text: "b", Start: 1, End: 4}},
			[]caption.Word{{Text: "a", Start: 2000, End: 3000}, {Text: "b", Start: 3000, End: 4000}},
		},
		"after the end": {
			[]remote.Word{{Text: "a", Start: 9, End: 9.9}, {Text: "b", Start: 10.5, End: 11}, {Text: "c", Start: 12, End: 13}},
			[]caption.Word{{Text: "a", Start: 9000, End: 9900}, {Text: "b", Start: 9998, End: 9999}, {Text: "c", Start: 9999, End: 10000}},
		},
	} {
		require.Empty(t, cmp.Diff(c.want, remote.Place(c.words, 10000)), name)
	}
	require.Len(t, remote.Place(make3("a", "b", "c"), 2), 2, "more words than milliseconds")
	require.Empty(t, remote.Place(make3("a", "b", "c"), 0))
}

func make3(texts ...string) []remote.Word {
	words := make([]remote.Word, len(texts))
	for i, t := range texts {
		words[i].Text = t
	}
	return words
}

func FuzzPlace(f *testing.F) {
	f.Add(0.0, 1.0, 0.5, 2.0, 1e300, -1.0, int64(10))
	f.Add(9.0, 9.0, 9.0, 9.0, 9.0, 9.0, int64(2))
	f.Fuzz(func(t *testing.T, a, b, c, d, e, g float64, length int64) {
		if length < 0 || length > 1e9 {
			return
		}
		words := make3("a", "b", "c")
		words[0].Start, words[0].End, words[1].Start, words[1].End, words[2].Start, words[2].End = a, b, c, d, e, g
		placed := remote.Place(words, caption.Millis(length))
		if length >= 3 {
			require.Len(t, placed, 3, "no text is lost")
		}
		var last caption.Millis
		for _, w := range placed {
			require.GreaterOrEqual(t, w.Start, last)
			require.Greater(t, w.End, w.Start)
			last = w.End
		}
		require.LessOrEqual(t, last, caption.Millis(length))
	})
}

func TestTag(t *testing.T) {
	for tag, want := range map[string]string{"": "", "EN": "en", "en_us": "en-US", "ZH-hant-tw": "zh-Hant-TW", "es-419": "es-419", "multi": "multi"} {
		require.Equal(t, want, remote.Tag(tag), tag)
	}
}
