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

// WriteVTT writes cues as WebVTT. Speakers are voice spans.
func WriteVTT(w io.Writer, cues []caption.Cue, o Options) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "WEBVTT") // An error of b stays with it until flush.
	for _, c := range cues {
		lines := visibleLines(c.Text)
		if len(lines) == 0 {
			continue
		}
		text := vttText.Replace(strings.Join(lines, "\n"))
		if label := oneLine(c.Speaker); o.Speakers && label != "" {
			text = "<v " + vttText.Replace(label) + ">" + text
		}
		fmt.Fprintf(b, "\n%s --> %s\n%s\n", stamp(c.Start, '.'), stamp(c.End, '.'), text)
	}
	return flush(b, "WebVTT")
}

var vttText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// ReadVTT reads WebVTT: cues with or without hours, identifiers, settings, tags and entities; notes, styles and
// regions are skipped. Errors are [caption.KindInvalid] and name the line. Cues are returned in the order of their
// starts, those without text are left out. A voice that speaks all of a cue is its speaker.
func ReadVTT(r io.Reader) ([]caption.Cue, error) {
	lines, err := readLines(r)
	if err != nil {
		return nil, err
	}
	if rest, ok := strings.CutPrefix(lines[0], "WEBVTT"); !ok || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		return nil, lineError(0, `does not say "WEBVTT", as the first line of a WebVTT file must`)
	}
	c := collector{text: vttPlain}
	i := 1
	for i < len(lines) && strings.TrimSpace(lines[i]) != "" && !strings.Contains(lines[i], "-->") {
		i++ // The header may go on up to a blank line.
	}
	for i < len(lines) {
		line := strings.TrimSpace(lines[i])
		switch {
		case line == "":
			i++
			continue
		case strings.Contains(line, "-->"):
		case vttBlock.MatchString(line):
			for i < len(lines) && strings.TrimSpace(lines[i]) != "" {
				i++
			}
			continue
		case i+1 < len(lines) && strings.Contains(lines[i+1], "-->"): // an identifier
			i++
			line = lines[i]
		default:
			return nil, lineError(i, `is %.40q where a line such as "00:01.000 --> 00:02.500" is expected`, line)
		}
		if err := c.begin(i, line); err != nil {
			return nil, err
		}
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "" && !strings.Contains(lines[i], "-->"); i++ {
			c.add(lines[i])
		}
	}
	return c.finish()
}

var (
	vttBlock = regexp.MustCompile(`^(?:NOTE|STYLE|REGION)(?:\s|$)`)
	vttTag   = regexp.MustCompile(`</?[A-Za-z0-9.][^<>]*>|</?>`)
	vttVoice = regexp.MustCompile(`^<v(?:\.[^\s<>]*)?\s+([^<>]*)>`)
)

func vttPlain(s string) (text, speaker string) {
	if m := vttVoice.FindStringSubmatch(s); m != nil && strings.Count(s, "<v ")+strings.Count(s, "<v.") == 1 {
		speaker = oneLine(html.UnescapeString(m[1]))
	}
	return html.UnescapeString(vttTag.ReplaceAllString(s, "")), speaker
}
