package pocketsphinx

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func TestParseHypothesis(t *testing.T) {
	for line, want := range map[string]int{
		"the old bridge (u1 -53130)\n": 3,
		" (u1 -12)\n":                  0,
		"(u1 -12)":                     0,
		"well (laughs) yes (u1 -1)":    3,
	} {
		n, err := parseHypothesis(line, "u1")
		require.NoError(t, err, line)
		require.Equal(t, want, n, line)
	}
	for _, line := range []string{"", "\n", "the old bridge", "the (u2 -1)", "the (u11 -1)", "u1 1 0.1 0.2 the 0.5"} {
		_, err := parseHypothesis(line, "u1")
		require.Error(t, err, line)
	}
}

func TestParseWord(t *testing.T) {
	w, err := parseWord("u1 1 0.14 0.21 the 0.805\n", "u1")
	require.NoError(t, err)
	require.Equal(t, recognized{"the", 140, 350, 0.805}, w)
	for _, line := range []string{
		"", "u2 1 0.14 0.21 the 0.805", "u1 1 0.14 0.21 the", "u1 1 x 0.21 the 0.8", "u1 1 -1 0.21 the 0.8", "u1 1 NaN 0.21 the 0.8",
		"u1 1 1e300 1 the 0.8", "u1 1 0.1 0.21 the inf",
	} {
		_, err := parseWord(line, "u1")
		require.Error(t, err, line)
	}
}

func TestPlace(t *testing.T) {
	confidence := 0.5
	got := place([]recognized{
		{"<s>", 0, 100, 1}, {"read(2)", 100, 300, confidence}, {"[NOISE]", 300, 400, 1}, {"it's", 250, 500, confidence}, {"++BREATH++", 500, 600, 1},
		{"inside", 260, 480, confidence}, {"end", 900, 1200, confidence}, {"after", 1300, 1400, confidence},
	}, 10000, 11000)
	want := []caption.Word{
		{Text: "read", Start: 10100, End: 10300, Confidence: &confidence},
		{Text: "it's", Start: 10300, End: 10500, Confidence: &confidence},
		{Text: "end", Start: 10900, End: 11000, Confidence: &confidence},
	}
	require.Empty(t, cmp.Diff(want, got))
}

func FuzzParse(f *testing.F) {
	f.Add("the old bridge (u1 -53130)\n")
	f.Add("u1 1 0.14 0.21 the(2) 0.805\n")
	f.Add("u1 1 1e5 1e5 ( 2")
	f.Fuzz(func(t *testing.T, line string) {
		if n, err := parseHypothesis(line, "u1"); err == nil {
			require.LessOrEqual(t, n, len(strings.Fields(line)))
		}
		w, err := parseWord(line, "u1")
		if err != nil {
			return
		}
		for _, p := range place([]recognized{w, w}, 1000, 2000) {
			require.NotEmpty(t, p.Text)
			require.GreaterOrEqual(t, p.Start, caption.Millis(1000))
			require.Greater(t, p.End, p.Start)
			require.LessOrEqual(t, p.End, caption.Millis(2000))
			require.LessOrEqual(t, *p.Confidence, 1.0)
		}
	})
}
