package remote

import (
	"math"
	"strings"

	"k8s-scalers/internal/caption"
)

// Word is a word as a service tells it. Times are in seconds.
type Word struct {
	Text       string
	Start, End float64
	Confidence *float64
	Speaker    string
}

// Place returns the words as [speech.Result] wants them: in order, apart from each other, and within sound of that length.
// Services give words of no length, words that overlap, and words after the end; their text is kept, and of their times
// the starts are believed rather than the ends.
func Place(words []Word, length caption.Millis) []caption.Word {
	placed := make([]caption.Word, 0, len(words))
	for _, w := range words {
		text := strings.Join(strings.Fields(w.Text), " ")
		if text == "" {
			continue
		}
		var confidence *float64
		if w.Confidence != nil {
			c := min(max(*w.Confidence, 0), 1)
			confidence = &c
		}
		start := millis(w.Start, length)
		if n := len(placed); n > 0 && placed[n-1].Start < start {
			placed[n-1].End = min(placed[n-1].End, start)
		}
		placed = append(placed, caption.Word{Text: text, Start: start, End: millis(w.End, length), Confidence: confidence, Speaker: w.Speaker})
	}
	var last caption.Millis
	for i := range placed {
		w := &placed[i]
		w.Start = max(w.Start, last)
		w.End = max(w.End, w.Start+1)
		last = w.End
	}
	// What was pushed over the end is pushed back.
	last = length
	for i := len(placed) - 1; i >= 0; i-- {
		w := &placed[i]
		if w.End <= last {
			break
		}
		w.End = last
		w.Start = min(w.Start, w.End-1)
		last = w.Start
		if w.Start < 0 { // more words than milliseconds
			return placed[i+1:]
		}
	}
	return placed
}

func millis(seconds float64, length caption.Millis) caption.Millis {
	if math.IsNaN(seconds) {
		return 0
	}
	return caption.Seconds(min(max(seconds, 0), length.Seconds()))
}

// Tag returns a language tag as BCP 47 writes it: "en-US" for "EN_us".
func Tag(tag string) string {
	parts := strings.Split(strings.ReplaceAll(tag, "_", "-"), "-")
	for i, p := range parts {
		p = strings.ToLower(p)
		switch {
		case i > 0 && len(p) == 2:
			p = strings.ToUpper(p)
		case i > 0 && len(p) == 4:
			p = strings.ToUpper(p[:1]) + p[1:]
		}
		parts[i] = p
	}
	return strings.Join(parts, "-")
}
