package subtitle

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"k8s-scalers/internal/caption"
)

// Options are choices of a reader that the formats share.
type Options struct {
	// Speakers puts the labels of speakers into SRT, WebVTT and text.
	Speakers bool
}

// Formats returns the names of the formats that [Write] knows. They are also the extensions of their files.
func Formats() []string { return []string{"vtt", "srt", "txt", "json"} }

// ContentType returns the media type of a format, and "" for one that [Formats] does not list.
func ContentType(format string) string {
	switch format {
	case "vtt":
		return "text/vtt"
	case "srt":
		return "application/x-subrip"
	case "txt":
		return "text/plain; charset=utf-8"
	case "json":
		return "application/json"
	}
	return ""
}

// Write writes t in a format of [Formats].
func Write(w io.Writer, format string, t caption.Transcript, o Options) error {
	switch format {
	case "vtt":
		return WriteVTT(w, t.Cues, o)
	case "srt":
		return WriteSRT(w, t.Cues, o)
	case "txt":
		return WriteText(w, t.Cues, o)
	case "json":
		return WriteJSON(w, t)
	}
	return caption.Errorf(caption.KindInvalid, "The format %.20q is not known. Use one of: %s.",
		format, strings.Join(Formats(), ", ")).WithCode("bad_format")
}

// WriteJSON writes the whole transcript on one line.
func WriteJSON(w io.Writer, t caption.Transcript) error {
	// Lists without elements are written as such: not every reader takes null for one.
	if t.Words == nil {
		t.Words = []caption.Word{}
	}
	if t.Cues == nil {
		t.Cues = []caption.Cue{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(t); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// stamp formats a time as SRT and WebVTT do; they differ in the decimal mark.
func stamp(m caption.Millis, mark byte) string {
	m = max(m, 0)
	return fmt.Sprintf("%02d:%02d:%02d%c%03d", m/3_600_000, m/60_000%60, m/1000%60, mark, m%1000)
}

// visibleLines returns the lines of a cue that have something to show, without control characters. No line is
// blank, because a blank line ends a cue in a file.
func visibleLines(text string) []string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	var lines []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' }) {
		if line = oneLine(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// oneLine replaces control characters by spaces and trims.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s))
}
