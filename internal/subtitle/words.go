package subtitle

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s-scalers/internal/caption"
)

const (
	// maxTime keeps sums of times from foreign input far away from overflow; it is the limit that reading times from
	// JSON has too.
	maxTime caption.Millis = 1e12
	// maxWordTime is the longest that a word is taken to last. Engines stretch a word over the silence or the music
	// after it, and that silence must be seen as one.
	maxWordTime caption.Millis = 2500
	// longRun is the width from which a run of Chinese or Japanese is cut into characters, so that it can be wrapped.
	longRun = 12
)

// A token is what cues are made of: a piece of text that is never split.
type token struct {
	text       string
	width      int // at least 1
	start, end caption.Millis
	speaker    string
	class      class
	// left and right are the columns where the token would begin and end if all were one line.
	left, right int
}

// tokens brings words into order: sorted by start, one visible word each, no two overlapping. It never drops or
// repeats visible text.
func tokens(words []caption.Word) []token {
	out := make([]token, 0, len(words))
	for _, w := range words {
		w.Start = min(max(w.Start, 0), maxTime)
		w.End = min(max(w.End, w.Start), maxTime)
		pieces := strings.FieldsFunc(w.Text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
		if slices.ContainsFunc(pieces, isLongRun) {
			var cut []string
			for _, p := range pieces {
				cut = append(cut, characters(p)...)
			}
			pieces = cut
		}
		out = appendSpread(out, pieces, w)
	}
	slices.SortStableFunc(out, func(a, b token) int { return cmp.Compare(a.start, b.start) })
	out = attachPunctuation(out)
	for i := range out {
		t := &out[i]
		t.end = min(t.end, t.start+maxWordTime)
		if i+1 < len(out) {
			t.end = min(t.end, out[i+1].start)
		}
		t.width = max(1, width(t.text))
		t.class = classify(t.text)
		if i > 0 {
			t.left = out[i-1].right
			if spaceBetween(out[i-1].text, t.text) {
				t.left++
			}
		}
		t.right = t.left + t.width
	}
	return out
}

// appendSpread appends the pieces of a word, which share its time by their length.
func appendSpread(out []token, pieces []string, w caption.Word) []token {
	total, before := 0, 0
	for _, p := range pieces {
		total += len(p)
	}
	for _, p := range pieces {
		at := func(n int) caption.Millis {
			return w.Start + (w.End-w.Start)*caption.Millis(n)/caption.Millis(total)
		}
		out = append(out, token{text: strings.ToValidUTF8(p, "\uFFFD"), start: at(before), end: at(before + len(p)), speaker: w.Speaker})
		before += len(p)
	}
	return out
}

// attachPunctuation joins punctuation that an engine gives as a word of its own to the word before it. French quotes
// keep their space, and straight ones may belong to either side.
func attachPunctuation(in []token) []token {
	out := in[:0]
	for _, t := range in {
		n := len(out)
		// The bound on the length keeps a flood of punctuation from taking quadratic time.
		if n > 0 && len(out[n-1].text) < 100 && out[n-1].speaker == t.speaker && strings.Trim(t.text, ",.;:!?…、。，．；：！？”’)]}」』）】〉》") == "" {
			out[n-1].text += t.text
			out[n-1].end = max(out[n-1].end, t.end)
			continue
		}
		out = append(out, t)
	}
	return out
}

// join returns tokens as one line of text.
func join(ts []token) string {
	var b strings.Builder
	for i, t := range ts {
		if i > 0 && spaceBetween(ts[i-1].text, t.text) {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// spaceBetween tells whether a space parts two words on a line: not where both ends are of a script without spaces.
func spaceBetween(a, b string) bool {
	last, _ := utf8.DecodeLastRuneInString(a)
	first, _ := utf8.DecodeRuneInString(b)
	return !unspaced(last) || !unspaced(first)
}

// width returns the columns that s takes on the screen.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x300:
			n++
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case wide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

func wide(r rune) bool {
	return r >= 0x1100 && (ideographic(r) || unicode.Is(unicode.Hangul, r) || r >= 0xFF01 && r <= 0xFF60)
}

// ideographic tells whether r is of Chinese or Japanese writing, punctuation included, where a line may break
// between any two characters.
func ideographic(r rune) bool {
	return r >= 0x2E80 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) ||
		r >= 0x3000 && r <= 0x303F || r == 'ー' || strings.ContainsRune("，．；：！？（）", r))
}

func unspaced(r rune) bool {
	return r >= 0x0E00 && (ideographic(r) || unicode.In(r, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar))
}

func isLongRun(s string) bool {
	return width(s) > longRun && strings.ContainsFunc(s, ideographic)
}

// characters cuts a run of Chinese or Japanese where a line may break: around each character, but neither before
// closing punctuation, small kana and marks, nor after opening punctuation, nor within a Latin word.
func characters(s string) []string {
	var out []string
	from := 0
	var prev rune
	for i, r := range s {
		if i > 0 && (ideographic(prev) || ideographic(r)) &&
			!strings.ContainsRune("（「『【〈《“‘(", prev) &&
			!strings.ContainsRune("、。，．；：！？）」』】〉》”’).,!?;:%…ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々〜", r) &&
			!unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
			out, from = append(out, s[from:i]), i
		}
		prev = r
	}
	return append(out, s[from:])
}
