package subtitle

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s-scalers/internal/caption"
)

// MaxFile is the size in bytes of the largest file that is read: eight times the captions of ten hours.
const MaxFile = 16 << 20

// readLines reads all of r as lines of UTF-8 without their ends. There is at least one.
func readLines(r io.Reader) ([]string, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read captions: %w", err)
	}
	if len(b) > MaxFile {
		return nil, caption.Errorf(caption.KindTooLarge, "The file has more than %d MiB, which is too much for captions.", MaxFile>>20)
	}
	s := strings.TrimPrefix(string(b), "\uFEFF")
	if strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff") {
		return nil, caption.Errorf(caption.KindInvalid, "The file is UTF-16. Save it as UTF-8.").WithCode("bad_captions")
	}
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if !utf8.ValidString(line) {
			return nil, lineError(i, "is not UTF-8. Save the file as UTF-8")
		}
	}
	return lines, nil
}

// lineError says what is wrong with the line of an index; what continues a sentence.
func lineError(index int, what string, args ...any) error {
	what = strings.TrimRight(fmt.Sprintf(what, args...), ".")
	if !strings.HasSuffix(what, "?") {
		what += "."
	}
	return caption.Errorf(caption.KindInvalid, "Line %d %s", index+1, what).WithCode("bad_captions")
}

// A collector gathers the cues of a file. open is set once the first has begun.
type collector struct {
	text    func(raw string) (text, speaker string) // removes the markup of the format
	cues    []caption.Cue
	raw     []string
	current caption.Cue
	open    bool
}

// begin ends the cue before and starts one with a line of times.
func (c *collector) begin(index int, line string) error {
	c.end()
	start, end, err := timesOf(line)
	if err != nil {
		return lineError(index, "%s", err)
	}
	if end <= start {
		return lineError(index, "ends a cue at %s, which is not after its start at %s", stamp(end, '.'), stamp(start, '.'))
	}
	if len(c.cues) >= MaxCues {
		return lineError(index, "begins a cue more than the %d that a file may have", MaxCues)
	}
	c.current, c.open = caption.Cue{Start: start, End: end}, true
	return nil
}

func (c *collector) add(line string) { c.raw = append(c.raw, line) }

func (c *collector) end() {
	text, speaker := c.text(strings.Join(c.raw, "\n"))
	c.raw = c.raw[:0]
	if lines := visibleLines(text); len(lines) > 0 {
		c.current.Text, c.current.Speaker = strings.Join(lines, "\n"), speaker
		c.cues = append(c.cues, c.current)
	}
}

func (c *collector) finish() ([]caption.Cue, error) {
	c.end()
	slices.SortStableFunc(c.cues, func(a, b caption.Cue) int { return cmp.Compare(a.Start, b.Start) })
	return c.cues, nil
}

// timesOf reads "start --> end", after which settings may follow. Its errors continue the sentence "Line 3 …".
func timesOf(line string) (start, end caption.Millis, err error) {
	from, to, _ := strings.Cut(line, "-->")
	if start, err = timeOf(from); err != nil {
		return 0, 0, err
	}
	if fields := strings.Fields(to); len(fields) > 0 {
		to = fields[0]
	}
	end, err = timeOf(to)
	return start, end, err
}

// timeOf reads [hours:]minutes:seconds with a fraction after a dot or a comma.
func timeOf(s string) (caption.Millis, error) {
	s = strings.TrimSpace(s)
	bad := fmt.Errorf("has %.40q where a time such as 00:01:02.345 is expected", s)
	whole, fraction, ok := strings.Cut(strings.Replace(s, ",", ".", 1), ".")
	parts := strings.Split(whole, ":")
	if !ok || !isDigits(fraction) || len(parts) < 2 || len(parts) > 3 {
		return 0, bad
	}
	var seconds caption.Millis
	for i, part := range parts {
		if !isDigits(part) || len(part) > 5 {
			return 0, bad
		}
		var n caption.Millis
		for _, d := range part {
			n = n*10 + caption.Millis(d-'0')
		}
		if n > 59 && (i > 0 || len(parts) == 2) {
			return 0, bad
		}
		seconds = seconds*60 + n
	}
	var millis caption.Millis
	for _, d := range (fraction + "00")[:3] {
		millis = millis*10 + caption.Millis(d-'0')
	}
	return seconds*1000 + millis, nil
}
