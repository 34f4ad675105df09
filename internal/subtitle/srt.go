package subtitle

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"regexp"
	"strings"

	"k8s-scalers/internal/caption"
)

// WriteSRT writes cues as SubRip. Lines end in CR LF: every reader takes that, and the television sets and older
// players that SRT is chosen for were made for files from Windows. Speakers are named in brackets where they change.
func WriteSRT(w io.Writer, cues []caption.Cue, o Options) error {
	b := bufio.NewWriter(w)
	n, speaker := 0, ""
	for _, c := range cues {
		lines := visibleLines(c.Text)
		if len(lines) == 0 {
			continue
		}
		n++
		for i := range lines {
			lines[i] = srtText.Replace(tagStart.ReplaceAllString(lines[i], "‹$1"))
		}
		if label := oneLine(c.Speaker); o.Speakers && label != "" && label != speaker {
			lines[0] = "[" + srtText.Replace(label) + "] " + lines[0]
		}
		speaker = oneLine(c.Speaker)
		fmt.Fprintf(b, "%d\r\n%s --> %s\r\n%s\r\n\r\n", n, stamp(c.Start, ','), stamp(c.End, ','), strings.Join(lines, "\r\n"))
	}
	return flush(b, "SRT")
}

// SRT has no way to escape. What a reader would take for an arrow between times, a tag or a style override is
// written in a way that looks alike.
var (
	srtText  = strings.NewReplacer("-->", "→", `{\`, `{ \`)
	tagStart = regexp.MustCompile(`<([/A-Za-z])`)
)

func flush(b *bufio.Writer, format string) error {
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", format, err)
	}
	return nil
}

// ReadSRT reads SubRip. It takes what is found in the wild: a byte order mark, any line ends, missing or wrong
// numbers, a dot before the milliseconds, blank lines anywhere, tags. Errors are [caption.KindInvalid] and name
// the line. Cues are returned in the order of their starts, those without text are left out.
func ReadSRT(r io.Reader) ([]caption.Cue, error) {
	lines, err := readLines(r)
	if err != nil {
		return nil, err
	}
	c := collector{text: srtPlain}
	afterBlank := true
	for i := range lines {
		line := strings.TrimSpace(lines[i])
		switch {
		case line == "":
			afterBlank = true
			continue
		case strings.Contains(line, "-->"):
			if err := c.begin(i, line); err != nil {
				return nil, err
			}
		case isDigits(line) && strings.Contains(nextNonBlank(lines[i+1:]), "-->"):
			// The number of the next cue.
		case afterBlank && timeLike.MatchString(line):
			return nil, lineError(i, `has a time but no "-->" between two of them`)
		case !c.open:
			return nil, lineError(i, `is %.40q where a line such as "00:00:01,000 --> 00:00:02,500" is expected. Is this an SRT file?`, line)
		default:
			c.add(line)
		}
		afterBlank = false
	}
	return c.finish()
}

var (
	timeLike = regexp.MustCompile(`^\d+:\d\d:\d\d[,.]\d`)
	srtTag   = regexp.MustCompile(`(?i)</?(?:b|i|u|s|font|c|v|span)(?:[\s.][^<>]*)?>|\{\\[^{}]*\}`)
)

func srtPlain(s string) (text, speaker string) {
	return html.UnescapeString(srtTag.ReplaceAllString(s, "")), ""
}

func nextNonBlank(lines []string) string {
	for _, line := range lines {
		if strings.TrimSpace(line) != "" {
			return line
		}
	}
	return ""
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
