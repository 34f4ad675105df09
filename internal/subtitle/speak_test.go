package subtitle_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// speak returns text as an engine that writes punctuation hears it, at about 15 characters a second. "Name> " at the
// start of a line names its speaker; "<800>" is a pause of that many milliseconds.
func speak(text string) []caption.Word {
	var words []caption.Word
	at := caption.Millis(500)
	for line := range strings.Lines(text) {
		speaker := ""
		if name, rest, ok := strings.Cut(line, "> "); ok && !strings.ContainsAny(name, " <") {
			speaker, line = name, rest
		}
		for w := range strings.FieldsSeq(line) {
			var pause caption.Millis
			if n, _ := fmt.Sscanf(w, "<%d>", &pause); n == 1 {
				at += pause
				continue
			}
			end := at + 60*caption.Millis(utf8.RuneCountInString(w)+1)
			words = append(words, caption.Word{Text: w, Start: at, End: end, Speaker: speaker})
			at = end
			switch w[len(w)-1] {
			case '.':
				if strings.Count(w, ".") == 1 && w != "Dr." {
					at += 350
				}
			case '!', '?':
				at += 350
			case ',', ';', ':':
				at += 120
			}
		}
	}
	return words
}

// heard reads words that PocketSphinx recognised, with its times: lower case, no punctuation.
func heard(t testing.TB, file string) []caption.Word {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var words []caption.Word
	for s := bufio.NewScanner(f); s.Scan(); {
		var w caption.Word
		var start, end float64
		_, err := fmt.Sscan(s.Text(), &w.Text, &start, &end)
		require.NoError(t, err)
		w.Start, w.End = caption.Seconds(start), caption.Seconds(end)
		words = append(words, w)
	}
	require.NotEmpty(t, words)
	return words
}

// show prints cues as a person checks them.
func show(cues []caption.Cue) string {
	var b strings.Builder
	for _, c := range cues {
		fmt.Fprintf(&b, "%.2f–%.2f", c.Start.Seconds(), c.End.Seconds())
		if c.Speaker != "" {
			b.WriteString(" " + c.Speaker)
		}
		b.WriteString("\n  " + strings.ReplaceAll(c.Text, "\n", "\n  ") + "\n")
	}
	return b.String()
}
