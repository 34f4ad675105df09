package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// row is one figure of the table.
type row struct {
	what    string
	against string
	goal    string
	result  string
	met     verdict
}

// verdict tells whether a goal was reached; some rows have none.
type verdict string

const (
	reached verdict = "yes"
	missed  verdict = "no"
	noGoal  verdict = "–"
)

func verdictOf(ok bool) verdict {
	if ok {
		return reached
	}
	return missed
}

// table renders rows as Markdown whose columns line up, so that it reads well on a terminal, too.
func table(rows []row) string {
	lines := [][]string{{"what", "against", "goal", "result", "reached"}}
	for _, r := range rows {
		lines = append(lines, []string{r.what, r.against, r.goal, r.result, string(r.met)})
	}
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, cell := range l {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, l := range lines {
		for i, cell := range l {
			b.WriteString("| " + cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)) + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range widths {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}

// document renders the page that keeps the figures.
func document(ctx context.Context, l *lab, rows []row) string {
	scope := "In the row on memory, one tenth of the long video is speech and the rest silence; `BENCHFLAGS=-full` makes all of it speech."
	if l.full {
		scope = "In the row on memory, all of the long video is speech."
	}
	return fmt.Sprintf(`# Benchmarks

Written by %[1]smake bench%[1]s; do not edit. Every ratio compares two programs in the same run on the same %[2]d cores, in turns;
times are medians of %[3]d rounds. Differences below 20 %% between two runs are noise.

%[4]s
%[5]s

How each figure is measured is told in the doc comments of %[1]sbench/%[1]s.

Measured on %[6]s: %[7]s, %[8]d cores, %[9]s, %[10]s.
`, "`", cores, l.rounds(), table(rows), scope, time.Now().UTC().Format(time.DateOnly), processor(), runtime.NumCPU(), runtime.Version(), ffmpegVersion(ctx))
}

func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func ffmpegVersion(ctx context.Context) string {
	b, err := exec.CommandContext(ctx, "ffmpeg", "-version").Output()
	if f := strings.Fields(string(b)); err == nil && len(f) > 2 {
		return "ffmpeg " + f[2]
	}
	return "ffmpeg of unknown version"
}

// median returns the middle value; of an even number the mean of the two in the middle.
func median[T ~int64 | ~float64](values []T) T {
	s := slices.Clone(values)
	slices.Sort(s)
	m := len(s) / 2
	if len(s)%2 == 1 {
		return s[m]
	}
	return (s[m-1] + s[m]) / 2
}

// quantile returns the value below which the share q of the values lie.
func quantile(values []time.Duration, q float64) time.Duration {
	s := slices.Clone(values)
	slices.Sort(s)
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

func percent(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
