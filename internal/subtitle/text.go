package subtitle

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"k8s-scalers/internal/caption"
)

const (
	// paragraphPause is the pause between cues that ends a paragraph.
	paragraphPause caption.Millis = 1500
	// A paragraph ends with the first sentence after goodParagraph characters, or without punctuation at the first
	// pause; and at the next cue after maxParagraph.
	goodParagraph, maxParagraph = 500, 1000
)

// WriteText writes cues as paragraphs, one a line with a blank line between: for reading, not for timing. A paragraph
// ends where the speaker changes or pauses, or where it has grown long.
func WriteText(w io.Writer, cues []caption.Cue, o Options) error {
	b := bufio.NewWriter(w)
	length, speaker, last := 0, "", ""
	for i, c := range cues {
		text := flat(c.Text)
		if text == "" {
			continue
		}
		if length > 0 && endsParagraph(cues[i-1], c, length) {
			fmt.Fprint(b, "\n\n") // An error of b stays with it until flush.
			length = 0
		}
		if length == 0 {
			if label := oneLine(c.Speaker); o.Speakers && label != "" && label != speaker {
				fmt.Fprint(b, label, ": ")
			}
			speaker = oneLine(c.Speaker)
		} else if spaceBetween(last, text) {
			fmt.Fprint(b, " ")
		}
		fmt.Fprint(b, text)
		length += utf8.RuneCountInString(text)
		last = text
	}
	if length > 0 {
		fmt.Fprintln(b)
	}
	return flush(b, "text")
}

func endsParagraph(before, next caption.Cue, length int) bool {
	pause := next.Start - before.End
	switch {
	case next.Speaker != before.Speaker || pause >= paragraphPause || length >= maxParagraph:
		return true
	case length < goodParagraph:
		return false
	}
	return strings.ContainsRune(".!?。！？", lastMark(before.Text)) || pause >= 500
}

// flat returns the lines of a cue as one.
func flat(text string) string {
	var b strings.Builder
	for i, lines := 0, visibleLines(text); i < len(lines); i++ {
		if i > 0 && spaceBetween(lines[i-1], lines[i]) {
			b.WriteByte(' ')
		}
		b.WriteString(lines[i])
	}
	return b.String()
}
