package report

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// dash stands for what is unknown.
const dash = "–"

// number is a value as people read it: three digits that matter, and no more than they need.
func number(v Value) string {
	if !v.Known() {
		return dash
	}
	f := float64(v)
	switch magnitude := math.Abs(f); {
	case f == math.Trunc(f) && magnitude < 1e6:
		return fmt.Sprintf("%.0f", f)
	case magnitude >= 1e9:
		return fmt.Sprintf("%.3gG", f/1e9)
	case magnitude >= 1e6:
		return fmt.Sprintf("%.3gM", f/1e6)
	case magnitude >= 100:
		return fmt.Sprintf("%.0f", f)
	case magnitude >= 10:
		return fmt.Sprintf("%.1f", f)
	case magnitude >= 1:
		return fmt.Sprintf("%.2f", f)
	default:
		return fmt.Sprintf("%.3g", f)
	}
}

// seconds is a duration as people read it.
func seconds(v Value) string {
	if !v.Known() {
		return dash
	}
	f := float64(v)
	switch {
	case f == 0:
		return "0 s"
	case f < 1e-3:
		return number(Value(f*1e6)) + " µs"
	case f < 1:
		return number(Value(f*1e3)) + " ms"
	case f < 100:
		return number(v) + " s"
	}
	text := (time.Duration(math.Round(f)) * time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func money(v Value) string {
	if !v.Known() {
		return dash
	}
	return fmt.Sprintf("$%.2f", float64(v))
}

func percent(v Value) string {
	if !v.Known() {
		return dash
	}
	f := float64(v) * 100
	switch {
	case f == 100 || f == 0:
		return fmt.Sprintf("%.0f %%", f)
	case f > 99.995:
		return "99.99 %" // not rounded up to a promise that was not kept
	}
	return fmt.Sprintf("%.2f %%", f)
}

func megabytes(v Value) string {
	if !v.Known() {
		return dash
	}
	return number(v/(1<<20)) + " MiB"
}

// clock is a time of the run: hours, minutes and seconds since its start.
func clock(at Value) string {
	if !at.Known() {
		return dash
	}
	s := int(math.Round(float64(at)))
	if s >= 24*3600 {
		return fmt.Sprintf("%dd %02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// plural is a count with its noun.
func plural(v Value, noun string) string {
	if v == 1 {
		return "1 " + noun
	}
	return number(v) + " " + noun + "s"
}
