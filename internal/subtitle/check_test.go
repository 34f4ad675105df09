package subtitle_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/subtitle"
)

func TestProfiles(t *testing.T) {
	var names []string
	for _, p := range subtitle.Profiles() {
		names = append(names, p.Name)
		same, err := subtitle.ProfileNamed(p.Name)
		require.NoError(t, err)
		require.Equal(t, p, same)
	}
	require.Equal(t, []string{"netflix", "bbc", "plain"}, names)
	p, err := subtitle.ProfileNamed("")
	require.NoError(t, err)
	require.Equal(t, "netflix", p.Name)
	_, err = subtitle.ProfileNamed("hbo")
	require.Equal(t, caption.KindInvalid, caption.KindOf(err))
	require.ErrorContains(t, err, `The profile "hbo" is not known. Use one of: netflix, bbc, plain.`)
}

func TestCheck(t *testing.T) {
	good := caption.Cue{Start: 1000, End: 2000, Text: "A\nB", Speaker: "Ann"}
	for _, tc := range []struct {
		name, message string
		cues          []caption.Cue
	}{
		{"none", "", nil},
		{"touching", "", []caption.Cue{good, {Start: 2000, End: 2001, Text: "C"}}},
		{"negative", "Cue 1 starts before the video.", []caption.Cue{{Start: -1, End: 5, Text: "A"}}},
		{"no length", "Cue 1 ends at 00:00:00.005, which is not after its start at 00:00:00.005.", []caption.Cue{{Start: 5, End: 5, Text: "A"}}},
		{"too late", "Cue 1 ends after 100 hours, which is beyond any video.", []caption.Cue{{Start: 5, End: 360_000_001, Text: "A"}}},
		{"order", "Cue 2 starts before cue 1. Put cues in the order of their starts.", []caption.Cue{good, {Start: 0, End: 10, Text: "A"}}},
		{"overlap", "Cue 2 starts at 00:00:01.999, while cue 1 is shown until 00:00:02.000. Let one end before the next starts.", []caption.Cue{good, {Start: 1999, End: 3000, Text: "A"}}},
		{"no text", "Cue 2 has no text. Write some, or delete the cue.", []caption.Cue{good, {Start: 2000, End: 3000, Text: " \n "}}},
		{"long text", "Cue 1 has more than 1000 characters. Split it.", []caption.Cue{{Start: 0, End: 1, Text: strings.Repeat("é", 1001)}}},
		{"long speaker", "The speaker of cue 1 has more than 100 characters.", []caption.Cue{{Start: 0, End: 1, Text: "A", Speaker: strings.Repeat("é", 101)}}},
		{"control character", "Cue 1 has characters that cannot be shown. Type its text again.", []caption.Cue{{Start: 0, End: 1, Text: "A\x00"}}},
		{"speaker of two lines", "Cue 1 has characters that cannot be shown. Type its text again.", []caption.Cue{{Start: 0, End: 1, Text: "A", Speaker: "a\nb"}}},
		{"too many", "There are 100001 cues; at most 100000 are possible.", make([]caption.Cue, 100_001)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := subtitle.Check(tc.cues)
			if tc.message == "" {
				require.NoError(t, err)
				return
			}
			var e *caption.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, caption.KindInvalid, e.Kind)
			require.Equal(t, tc.message, e.Message)
		})
	}
}

func TestCheckTakesWhatCutMakes(t *testing.T) {
	english, err := os.ReadFile("testdata/english.txt")
	require.NoError(t, err)
	for _, p := range subtitle.Profiles() {
		require.NoError(t, subtitle.Check(subtitle.Cut(speak(string(english)), p)))
	}
}

func TestWarnings(t *testing.T) {
	p, err := subtitle.ProfileNamed("netflix")
	require.NoError(t, err)
	cues := []caption.Cue{
		{Start: 0, End: 2000, Text: "Quite right,\nall of it."},
		{Start: 2010, End: 2500, Text: "Short."},
		{Start: 3000, End: 10_500, Text: "Long."},
		{Start: 11_000, End: 14_000, Text: "a\nb\nc"},
		{Start: 15_000, End: 18_000, Text: strings.Repeat("x", 43)},
		{Start: 19_000, End: 20_000, Text: strings.Repeat("word ", 8)},
	}
	require.Equal(t, []subtitle.Warning{
		{1, "too_short", "Shown for 0.49 s; at least 0.83 s are needed."},
		{1, "short_gap", "Begins 0.010 s after the cue before; leave 0.083 s."},
		{2, "too_long", "Shown for 7.5 s; at most 7.0 s are usual."},
		{3, "too_many_lines", "3 lines; at most 2 are easy to read."},
		{4, "line_length", "A line of 43 characters; at most 42 fit."},
		{5, "reading_speed", "39 characters a second; viewers can follow 20."},
	}, subtitle.Warnings(cues, p))
}
