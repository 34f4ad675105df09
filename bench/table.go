package main

import (
	"context"
	"errors"
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

const heading = "\n## "

// section renders what the page keeps of a figure.
func section(ctx context.Context, l *lab, f figure, rows []row) string {
	scope := ""
	switch {
	case f.name != "memory":
	case l.full:
		scope = "All of the long video is speech. "
	default:
		scope = "One tenth of the long video is speech and the rest silence; `BENCHFLAGS=-full` makes all of it speech. "
	}
	return fmt.Sprintf("%s%s\n\n%s.\n\n%s\n%sMeasured on %s: %s, %d cores, %s, %s.\n", heading, f.name, f.about, table(rows),
		scope, time.Now().UTC().Format(time.DateOnly), processor(), runtime.NumCPU(), runtime.Version(), ffmpegVersion(ctx))
}

// keep writes the page. Sections that were not measured stay as they are.
func keep(path string, measured map[string]string) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the page: %w", err)
	}
	if err := os.WriteFile(path, []byte(document(string(old), measured)), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// document renders the page that keeps the figures, in their order.
func document(old string, measured map[string]string) string {
	kept := map[string]string{}
	for _, text := range strings.Split(old, heading)[1:] {
		name, _, _ := strings.Cut(text, "\n")
		kept[name] = heading + text
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

Written by %[1]smake bench%[1]s; do not edit. Every ratio compares two programs in the same run on the same %[2]d cores, in turns;
times are medians of three rounds. Differences below 20 %% between two runs are noise. How each figure is measured is told in the
doc comments of %[1]sbench/%[1]s; %[1]smake bench BENCHFLAGS='-only speed'%[1]s measures some of them anew.
`, "`", cores)
	for _, f := range figures() {
		if text, ok := measured[f.name]; ok {
			b.WriteString(text)
		} else {
			b.WriteString(kept[f.name])
		}
	}
	return b.String()
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
