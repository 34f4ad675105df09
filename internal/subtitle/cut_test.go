package subtitle_test

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/subtitle"
)

var update = flag.Bool("update", false, "write the golden files anew; read them before you commit them")

func TestCutReadsWell(t *testing.T) {
	english, err := os.ReadFile("testdata/english.txt")
	require.NoError(t, err)
	for name, words := range map[string][]caption.Word{
		"english": speak(string(english)),
		"meeting": heard(t, "testdata/meeting.words"),
		"museum":  heard(t, "testdata/museum.words"),
	} {
		for _, p := range subtitle.Profiles() {
			t.Run(name+"/"+p.Name, func(t *testing.T) {
				cues := subtitle.Cut(words, p)
				requireSound(t, words, cues, p)
				for _, w := range subtitle.Warnings(cues, p) {
					// How fast somebody speaks is not ours to decide; all else is.
					require.Equal(t, "reading_speed", w.Code, "cue %d: %s", w.Index, w.Message)
				}
				next := 0
				for _, c := range cues { // A cue begins with its first word, or earlier where it would else be too short.
					late := c.Start - words[next].Start
					require.LessOrEqual(t, late, caption.Millis(0), "%v", c)
					require.GreaterOrEqual(t, late, caption.Millis(-400), "%v", c)
					next += len(strings.Fields(c.Text))
				}
				file := filepath.Join("testdata", name+"."+p.Name+".golden")
				if *update {
					require.NoError(t, os.WriteFile(file, []byte(show(cues)), 0o644))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				require.Equal(t, string(want), show(cues))
			})
		}
	}
}

func TestCutKeepsTogether(t *testing.T) {
	// Each pair stands where a cue or a line would else end.
	for _, together := range []string{
		"the lighthouse", "Maria Lopez", "they had", "have not", "didn't understand", "25 percent", "3.5 million",
		"twenty five", "May 17", "No. 5", "J. Smith", "e.g. apples", "« oui", "non »", "220 °C", "Dr. Miller", "$5 million", "page 12", "6 p.m.",
	} {
		for n := range 14 {
			text := strings.Repeat("something ", n) + together + strings.Repeat(" anything", 9)
			for _, p := range subtitle.Profiles() {
				for _, c := range subtitle.Cut(speak(text), p) {
					first, second, _ := strings.Cut(together, " ")
					for line := range strings.SplitSeq(c.Text, "\n") {
						require.Equal(t, slices.Contains(strings.Fields(line), first), slices.Contains(strings.Fields(line), second),
							"%s, %d words before: %q", p.Name, n, c.Text)
					}
				}
			}
		}
	}
}

func TestCut(t *testing.T) {
	netflix, err := subtitle.ProfileNamed("")
	require.NoError(t, err)
	long := strings.Repeat("honorificabilitudinitatibus", 3)
	for _, tc := range []struct {
		name  string
		words []caption.Word
		want  []caption.Cue
	}{
		{"nothing", nil, []caption.Cue{}},
		{"blank words", []caption.Word{{Text: " ", Start: 5, End: 9}, {Text: "", Start: 10, End: 20}}, []caption.Cue{}},
		{
			"short word stays until it can be read",
			[]caption.Word{{Text: "Hi.", Start: 1000, End: 1200}},
			[]caption.Cue{{Start: 1000, End: 1833, Text: "Hi."}},
		},
		{
			"short word before another speaker appears a little earlier",
			[]caption.Word{{Text: "No.", Start: 1000, End: 1200, Speaker: "A"}, {Text: "Yes, of course.", Start: 1500, End: 3000, Speaker: "B"}},
			[]caption.Cue{{Start: 600, End: 1417, Text: "No.", Speaker: "A"}, {Start: 1500, End: 3000, Text: "Yes, of course.", Speaker: "B"}},
		},
		{
			"unordered",
			[]caption.Word{{Text: "world.", Start: 1500, End: 2500}, {Text: "Hello", Start: 1000, End: 1500}},
			[]caption.Cue{{Start: 1000, End: 2500, Text: "Hello world."}},
		},
		{
			"punctuation as words",
			[]caption.Word{{Text: "Hello", Start: 1000, End: 1500}, {Text: ",", Start: 1500, End: 1500}, {Text: "world", Start: 1500, End: 2500}, {Text: "!", Start: 2500, End: 2500}},
			[]caption.Cue{{Start: 1000, End: 2500, Text: "Hello, world!"}},
		},
		{
			"long silence",
			[]caption.Word{{Text: "Well", Start: 1000, End: 2000}, {Text: "then.", Start: 3500, End: 4500}},
			[]caption.Cue{{Start: 1000, End: 2000, Text: "Well"}, {Start: 3500, End: 4500, Text: "then."}},
		},
		{
			"a word stretched over silence",
			[]caption.Word{{Text: "Well", Start: 1000, End: 20000}, {Text: "then.", Start: 20000, End: 21000}},
			[]caption.Cue{{Start: 1000, End: 3500, Text: "Well"}, {Start: 20000, End: 21000, Text: "then."}},
		},
		{
			"a gap that would flicker is closed",
			[]caption.Word{{Text: "Stop!", Start: 1000, End: 2000, Speaker: "A"}, {Text: "What is it?", Start: 2300, End: 3500, Speaker: "B"}},
			[]caption.Cue{{Start: 1000, End: 2217, Text: "Stop!", Speaker: "A"}, {Start: 2300, End: 3500, Text: "What is it?", Speaker: "B"}},
		},
		{
			"a word wider than a line",
			[]caption.Word{{Text: "The", Start: 0, End: 900}, {Text: long, Start: 900, End: 5000}, {Text: "word.", Start: 5000, End: 6000}},
			[]caption.Cue{{Start: 0, End: 817, Text: "The"}, {Start: 900, End: 4917, Text: long}, {Start: 5000, End: 6000, Text: "word."}},
		},
		{
			"a segment as one word",
			[]caption.Word{{Text: " one two\nthree", Start: 0, End: 3000}},
			[]caption.Cue{{Start: 0, End: 3000, Text: "one two three"}},
		},
		{
			"sentences that end in what may be an abbreviation",
			speak("Did you ever see him in the garden or the house? No. We left at around half past 6 p.m. We never came back here."),
			[]caption.Cue{
				{Start: 500, End: 4297, Text: "Did you ever see him\nin the garden or the house? No."},
				{Start: 4380, End: 7980, Text: "We left at around half past 6 p.m.\nWe never came back here."},
			},
		},
		{
			"Japanese",
			[]caption.Word{{Text: "昔々、あるところにおじいさんとおばあさんが住んでいました。おじいさんは山へ芝刈りに行きました。", Start: 0, End: 9000}},
			[]caption.Cue{
				{Start: 0, End: 5470, Text: "昔々、あるところにおじいさん\nとおばあさんが住んでいました。"},
				{Start: 5553, End: 9000, Text: "おじいさんは山へ芝刈りに行きました。"},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := subtitle.Cut(tc.words, netflix)
			requireSound(t, tc.words, got, netflix)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestCutHoldsItsPromises(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		words := randomWords(r)
		for _, p := range subtitle.Profiles() {
			requireSound(t, words, subtitle.Cut(words, p), p)
		}
	}
}

// randomWords returns speech in every state from orderly to broken.
func randomWords(r *rand.Rand) []caption.Word {
	vocabulary := strings.Fields(`I the a of and because not they had Peter Smith Dr. No. 25 percent 3.5 million km, go.
		house, really? extraordinarily "yes." — - , . ! (well) 東京へ行きました。 สวัสดี é naïve ` + strings.Repeat("antidis", 9))
	vocabulary = append(vocabulary, "", " ", "two words", "日本語の長い文章がここに続いていて、切れ目がありません。", "bad\xff", "\u200b")
	broken, speakers := r.IntN(3), []string{"", "Speaker 1", "Speaker 2"}[:1+r.IntN(3)]
	var words []caption.Word
	at, speaker := caption.Millis(r.IntN(3000)), ""
	for range r.IntN(120) {
		length := caption.Millis(r.IntN(700))
		if r.IntN(12) == 0 {
			at += caption.Millis(r.IntN(4000))
		}
		if r.IntN(10) == 0 {
			speaker = speakers[r.IntN(len(speakers))]
		}
		w := caption.Word{Text: vocabulary[r.IntN(len(vocabulary))], Start: at, End: at + length, Speaker: speaker}
		switch {
		case broken == 1 && r.IntN(4) == 0:
			w.Start, w.End = w.Start-caption.Millis(r.IntN(5000)), w.End+caption.Millis(r.IntN(5000))
		case broken == 2:
			w.Start, w.End = caption.Millis(r.IntN(500)), caption.Millis(r.IntN(500))
		case broken == 1 && r.IntN(50) == 0:
			w.Start, w.End = caption.Millis(r.Uint64()), caption.Millis(r.Uint64())
		}
		words = append(words, w)
		at += length
	}
	return words
}

// requireSound checks what Cut promises for any words.
func requireSound(t testing.TB, words []caption.Word, cues []caption.Cue, p subtitle.Profile) {
	t.Helper()
	require.NotNil(t, cues)
	sorted := slices.Clone(words)
	for i := range sorted {
		sorted[i].Start = min(max(sorted[i].Start, 0), 1e12)
	}
	slices.SortStableFunc(sorted, func(a, b caption.Word) int { return cmp.Compare(a.Start, b.Start) })
	type letter struct {
		char    rune
		speaker string
	}
	letters := func(to []letter, text, speaker string) []letter {
		for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
			if !unicode.IsSpace(r) && !unicode.IsControl(r) {
				to = append(to, letter{r, speaker})
			}
		}
		return to
	}
	var said, shown []letter
	inTurn := true // Pieces of overlapping words may interleave; then their letters are compared in no order.
	for i, w := range sorted {
		said = letters(said, w.Text, w.Speaker)
		inTurn = inTurn && (i == 0 || w.Start >= sorted[i-1].End)
	}
	for i, c := range cues {
		shown = letters(shown, c.Text, c.Speaker)
		require.Less(t, c.Start, c.End, "cue %d", i)
		require.LessOrEqual(t, c.End-c.Start, p.MaxDuration, "cue %d: %v", i, c)
		require.GreaterOrEqual(t, c.Start, caption.Millis(0))
		if i > 0 {
			require.GreaterOrEqual(t, c.Start-cues[i-1].End, p.MinGap, "cues %d and %d", i-1, i)
		}
		lines := strings.Split(c.Text, "\n")
		require.LessOrEqual(t, len(lines), p.MaxLines)
		for _, line := range lines {
			require.Equal(t, strings.Join(strings.Fields(line), " "), line)
			require.NotEmpty(t, line)
			if subtitle.Width(line) > p.MaxLine {
				require.Len(t, strings.Fields(c.Text), 1, "only a single word may be wider than a line")
			}
		}
	}
	if !inTurn {
		order := func(a, b letter) int { return cmp.Or(cmp.Compare(a.char, b.char), cmp.Compare(a.speaker, b.speaker)) }
		slices.SortFunc(said, order)
		slices.SortFunc(shown, order)
	}
	require.Equal(t, said, shown)
}

func FuzzCut(f *testing.F) {
	f.Add("Hello, world. ", uint64(1))
	f.Add("日本語の長い文章がここに続いていて、切れ目がありません。 a", uint64(2))
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		var words []caption.Word
		for w := range strings.SplitSeq(text, " ") {
			start := caption.Millis(r.IntN(10_000))
			words = append(words, caption.Word{Text: w, Start: start, End: start + caption.Millis(r.IntN(2000)-100)})
		}
		for _, p := range subtitle.Profiles() {
			requireSound(t, words, subtitle.Cut(words, p), p)
		}
	})
}

// BenchmarkCut cuts three hours of speech.
func BenchmarkCut(b *testing.B) {
	english, err := os.ReadFile("testdata/english.txt")
	require.NoError(b, err)
	p, err := subtitle.ProfileNamed("")
	require.NoError(b, err)
	paragraph := speak(string(english))
	length := paragraph[len(paragraph)-1].End
	var words []caption.Word
	for i := caption.Millis(0); len(words) < 30_000; i++ {
		for _, w := range paragraph {
			w.Start, w.End = w.Start+i*length, w.End+i*length
			words = append(words, w)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		subtitle.Cut(words, p)
	}
}
