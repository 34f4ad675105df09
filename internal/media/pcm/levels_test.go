package pcm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/media/pcm"
)

// levels returns frames of the given levels, each for so many frames.
func levels(pairs ...int) []float32 {
	var l []float32
	for i := 0; i < len(pairs); i += 2 {
		for range pairs[i+1] {
			l = append(l, float32(pairs[i]))
		}
	}
	return l
}

func TestPauses(t *testing.T) {
	for name, c := range map[string]struct {
		levels []float32
		want   []pcm.Span
	}{
		"nothing":                 {nil, nil},
		"silence":                 {levels(0, 100), []pcm.Span{{0, 100}}},
		"hiss":                    {levels(25, 100), []pcm.Span{{0, 100}}},
		"loud throughout":         {levels(60, 100), nil},
		"one pause":               {levels(60, 100, 20, 50, 60, 100), []pcm.Span{{102, 148}}},
		"digital silence":         {levels(60, 100, 0, 50, 60, 100), []pcm.Span{{102, 148}}},
		"too short":               {levels(60, 100, 20, 15, 60, 100), nil},
		"a click is no speech":    {levels(60, 100, 20, 40, 70, 1, 20, 40, 60, 100), []pcm.Span{{102, 179}}},
		"background noise":        {levels(60, 100, 45, 50, 60, 100), []pcm.Span{{102, 148}}},
		"at the start and end":    {levels(20, 50, 60, 100, 20, 50), []pcm.Span{{0, 48}, {152, 200}}},
		"hiss that is faded away": {levels(0, 300, 40, 100, 60, 100), []pcm.Span{{0, 398}}},
	} {
		require.Equal(t, c.want, pcm.Pauses(c.levels, 15), name)
	}
}

func TestQuietest(t *testing.T) {
	l := levels(60, 100, 50, 20, 60, 100)
	require.Equal(t, 110, pcm.Quietest(l, pcm.Span{Start: 0, End: 220}))
	require.Equal(t, 110, pcm.Quietest(l, pcm.Span{Start: 50, End: 1000}))
	require.Equal(t, 5, pcm.Quietest(l, pcm.Span{Start: 0, End: 10}), "a span that is too short to choose from")
	require.Equal(t, 0, pcm.Quietest(nil, pcm.Span{}))
}

func TestLevels(t *testing.T) {
	require.Empty(t, pcm.Levels(make([]byte, pcm.FrameBytes-1)))
	loud := make([]byte, 3*pcm.FrameBytes)
	for i := pcm.FrameBytes; i < 2*pcm.FrameBytes; i += 2 {
		loud[i+1] = 0x80 // the most negative sample
	}
	l := pcm.Levels(loud)
	require.Len(t, l, 3)
	require.Zero(t, l[0])
	require.InDelta(t, 90.3, l[1], 0.1)
}
