package subtitle

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s-scalers/internal/caption"
)

// The limits of edited cues. They are far above what anybody can watch, and there so that nobody can fill a store.
const (
	MaxCues    = 100_000
	maxText    = 1000 // characters of a cue
	maxSpeaker = 100  // characters of a label
	maxEnd     = 100 * 3_600_000
)

// Check tells whether edited cues can be stored: in order, none over another, each with text and an end after its
// start. The error is [caption.KindInvalid] and names the first cue that is wrong, counted from 1.
func Check(cues []caption.Cue) error {
	if len(cues) > MaxCues {
		return bad("There are %d cues; at most %d are possible.", len(cues), MaxCues)
	}
	for i, c := range cues {
		n := i + 1
		switch {
		case c.Start < 0:
			return bad("Cue %d starts before the video.", n)
		case c.End <= c.Start:
			return bad("Cue %d ends at %s, which is not after its start at %s.", n, stamp(c.End, '.'), stamp(c.Start, '.'))
		case c.End > maxEnd:
			return bad("Cue %d ends after %d hours, which is beyond any video.", n, maxEnd/3_600_000)
		case i > 0 && c.Start < cues[i-1].Start:
			return bad("Cue %d starts before cue %d. Put cues in the order of their starts.", n, i)
		case i > 0 && c.Start < cues[i-1].End:
			return bad("Cue %d starts at %s, while cue %d is shown until %s. Let one end before the next starts.", n, stamp(c.Start, '.'), i, stamp(cues[i-1].End, '.'))
		case len(visibleLines(c.Text)) == 0:
			return bad("Cue %d has no text. Write some, or delete the cue.", n)
		case utf8.RuneCountInString(c.Text) > maxText:
			return bad("Cue %d has more than %d characters. Split it.", n, maxText)
		case utf8.RuneCountInString(c.Speaker) > maxSpeaker:
			return bad("The speaker of cue %d has more than %d characters.", n, maxSpeaker)
		case !clean(strings.ReplaceAll(c.Text, "\n", "")) || !clean(c.Speaker):
			return bad("Cue %d has characters that cannot be shown. Type its text again.", n)
		}
	}
	return nil
}

func bad(message string, args ...any) error {
	return caption.Errorf(caption.KindInvalid, message, args...).WithCode("bad_cues")
}

func clean(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

// Warning is something in a cue that a viewer may stumble over. It stops nothing.
type Warning struct {
	Index   int    `json:"index"` // of the cue, from 0
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Warnings compares cues with p. The codes are too_many_lines, line_length, too_short, too_long, reading_speed and
// short_gap.
func Warnings(cues []caption.Cue, p Profile) []Warning {
	var out []Warning
	for i, c := range cues {
		warn := func(code, message string, args ...any) {
			out = append(out, Warning{Index: i, Code: code, Message: fmt.Sprintf(message, args...)})
		}
		lines := visibleLines(c.Text)
		if len(lines) > p.MaxLines {
			warn("too_many_lines", "%d lines; at most %d are easy to read.", len(lines), p.MaxLines)
		}
		columns := 0
		for _, line := range lines {
			n := width(line)
			columns += n
			if n > p.MaxLine {
				warn("line_length", "A line of %d characters; at most %d fit.", n, p.MaxLine)
			}
		}
		shown := c.End - c.Start
		if shown < p.MinDuration {
			warn("too_short", "Shown for %.2f s; at least %.2f s are needed.", shown.Seconds(), p.MinDuration.Seconds())
		}
		if shown > p.MaxDuration {
			warn("too_long", "Shown for %.1f s; at most %.1f s are usual.", shown.Seconds(), p.MaxDuration.Seconds())
		}
		if speed := float64(columns) / max(shown, 1).Seconds(); speed > p.MaxSpeed+0.5 {
			warn("reading_speed", "%.0f characters a second; viewers can follow %.0f.", math.Ceil(speed), p.MaxSpeed)
		}
		if i > 0 && c.Start-cues[i-1].End < p.MinGap {
			warn("short_gap", "Begins %.3f s after the cue before; leave %.3f s.", (c.Start - cues[i-1].End).Seconds(), p.MinGap.Seconds())
		}
	}
	return out
}
