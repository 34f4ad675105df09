package pocketsphinx

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"k8s-scalers/internal/caption"
)

// recognized is a word of an utterance, with times from the utterance's start.
type recognized struct {
	text       string
	start, end caption.Millis
	confidence float64
}

// parseHypothesis returns the number of words of a line such as "the old bridge (u1 -53130)".
func parseHypothesis(line, name string) (int, error) {
	line = strings.TrimSpace(line)
	open := strings.LastIndexByte(line, '(')
	if open < 0 || !strings.HasSuffix(line, ")") {
		return 0, fmt.Errorf("not a hypothesis: %.100q", line)
	}
	if of, _, _ := strings.Cut(line[open+1:len(line)-1], " "); of != name {
		return 0, fmt.Errorf("a hypothesis of another utterance than %s: %.100q", name, line)
	}
	return len(strings.Fields(line[:open])), nil
}

// parseWord parses a line of the NIST CTM format such as "u1 1 0.14 0.21 the 0.805".
func parseWord(line, name string) (recognized, error) {
	f := strings.Fields(line)
	if len(f) != 6 || f[0] != name {
		return recognized{}, fmt.Errorf("not a word of utterance %s: %.100q", name, line)
	}
	var numbers [3]float64
	for i, s := range []string{f[2], f[3], f[5]} {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(v) || v < 0 || v > 1e6 {
			return recognized{}, fmt.Errorf("not a word of utterance %s: %.100q", name, line)
		}
		numbers[i] = v
	}
	return recognized{
		text: f[4], start: caption.Seconds(numbers[0]), end: caption.Seconds(numbers[0] + numbers[1]),
		confidence: min(numbers[2], 1),
	}, nil
}

// clean returns the word without the mark of a pronunciation variant, as in "the(2)"; "" for sounds that are no words:
// "<sil>", "[NOISE]", "++BREATH++".
func clean(text string) string {
	if strings.HasPrefix(text, "<") || strings.HasPrefix(text, "[") || strings.HasPrefix(text, "++") {
		return ""
	}
	if i := strings.IndexByte(text, '('); i >= 0 {
		text = text[:i]
	}
	return text
}

// place moves words from an utterance to where it is in the sound, and keeps them within it and apart.
func place(words []recognized, start, end caption.Millis) []caption.Word {
	placed := make([]caption.Word, 0, len(words))
	last := start
	for _, w := range words {
		text := clean(w.text)
		if text == "" {
			continue
		}
		from := max(start+w.start, last)
		to := min(start+w.end, end)
		if to <= from {
			continue
		}
		last = to
		placed = append(placed, caption.Word{Text: text, Start: from, End: to, Confidence: &w.confidence})
	}
	return placed
}
