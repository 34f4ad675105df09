package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// The size of a chart in its own units; the page scales it to its width.
const (
	chartWidth, chartHeight = 960.0, 120.0
	chartLeft, chartRight   = 56.0, 8.0
	chartTop, chartBottom   = 8.0, 20.0
)

// line is one series of a chart. Class says how it is drawn: a to f for colours, or limit.
type line struct {
	Name   string
	Class  string
	Series Series
	// Steps draws a value as it holds until the next; otherwise points are joined.
	Steps bool
}

// chart is one picture on the shared time axis.
type chart struct {
	Title  string
	Lines  []line
	Format func(Value) string
	axis   Axis
}

// Drawn is the lines of which something is known.
func (c chart) Drawn() []line {
	var drawn []line
	for _, l := range c.Lines {
		if known(l.Series) {
			drawn = append(drawn, l)
		}
	}
	return drawn
}

// Range describes a line for people who do not see it.
func (c chart) Range(l line) string {
	return fmt.Sprintf("%s to %s, mean %s", c.Format(l.Series.Min()), c.Format(l.Series.Max()), c.Format(l.Series.Mean()))
}

// Label is the chart in one sentence.
func (c chart) Label() string {
	var parts []string
	for _, l := range c.Drawn() {
		parts = append(parts, l.Name+" "+c.Range(l))
	}
	return c.Title + ": " + strings.Join(parts, "; ")
}

// SVG is the picture. Everything in it is numbers and texts of our own, so it needs no escaping but that of the titles.
func (c chart) SVG() template.HTML {
	var b strings.Builder
	top := c.top()
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s" data-left="%g" data-right="%g">`,
		chartWidth, chartHeight, template.HTMLEscapeString(c.Label()), chartLeft, chartWidth-chartRight)
	for _, fraction := range []float64{0, 0.5, 1} {
		y := c.y(top*fraction, top)
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, chartLeft, chartWidth-chartRight, y, y)
		fmt.Fprintf(&b, `<text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`, chartLeft-6, y+4, template.HTMLEscapeString(c.Format(Value(top*fraction))))
	}
	step, label := ticks(c.end())
	for at := 0.0; at <= c.end()*1.0001; at += step {
		x := c.x(at)
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/>`, x, x, chartTop, chartHeight-chartBottom)
		anchor := "middle"
		if x > chartWidth-40 {
			anchor = "end"
		}
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%g" text-anchor="%s">%s</text>`, x, chartHeight-5, anchor, label(at))
	}
	for _, l := range c.Drawn() {
		fmt.Fprintf(&b, `<path class="line %s" d="%s"/>`, l.Class, c.path(l, top))
	}
	b.WriteString(`<line class="cursor" y1="8" y2="100" x1="0" x2="0"/></svg>`)
	return template.HTML(b.String()) //nolint:gosec // see above
}

func (c chart) end() float64 { return c.axis.At(max(c.axis.Points-1, 1)) }

func (c chart) x(seconds float64) float64 {
	return chartLeft + (chartWidth-chartLeft-chartRight)*seconds/c.end()
}

func (c chart) y(v, top float64) float64 {
	return chartHeight - chartBottom - (chartHeight-chartTop-chartBottom)*v/top
}

// top is the upper end of the axis: the highest value, rounded up to a number that people like.
func (c chart) top() float64 {
	highest := 0.0
	for _, l := range c.Drawn() {
		highest = math.Max(highest, float64(l.Series.Max()))
	}
	if highest <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, nice := range []float64{1, 2, 3, 4, 5, 6, 8, 10} {
		if highest <= nice*power*1.0000001 {
			return nice * power
		}
	}
	return 10 * power
}

// path draws a line, with a gap where nothing is known. A long series is drawn by the lowest and the highest value of
// each part of a pixel, so that a day by the second is neither slow nor wrong.
func (c chart) path(l line, top float64) string {
	var b strings.Builder
	every := max(1, len(l.Series)/int(chartWidth))
	pen := false
	lastY := 0.0
	for i := 0; i < len(l.Series); i += every {
		part := l.Series[i:min(i+every, len(l.Series))]
		low, high := part.Min(), part.Max()
		if !high.Known() {
			pen = false
			continue
		}
		x := c.x(c.axis.At(i))
		for k, v := range []Value{low, high} {
			if k == 1 && low == high {
				continue
			}
			y := c.y(float64(v), top)
			switch {
			case !pen:
				fmt.Fprintf(&b, "M%.1f %.1f", x, y)
			case l.Steps && y == lastY:
				fmt.Fprintf(&b, "H%.1f", x)
			case l.Steps && k == 0:
				fmt.Fprintf(&b, "H%.1fV%.1f", x, y)
			case l.Steps:
				fmt.Fprintf(&b, "V%.1f", y)
			default:
				fmt.Fprintf(&b, "L%.1f %.1f", x, y)
			}
			pen, lastY = true, y
		}
	}
	return b.String()
}

// ticks chooses where the time axis is marked, eight times or so.
func ticks(end float64) (step float64, label func(float64) string) {
	step = 7 * 86400
	for _, s := range []float64{1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800} {
		if end/s <= 9 {
			step = s
			break
		}
	}
	return step, func(at float64) string {
		s := int(math.Round(at))
		switch {
		case step >= 86400:
			return fmt.Sprintf("day %d", s/86400)
		case step >= 60:
			return fmt.Sprintf("%02d:%02d", s/3600, s/60%60)
		}
		return clock(Value(at))
	}
}
