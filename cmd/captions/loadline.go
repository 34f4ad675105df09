package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"k8s-scalers/internal/load"
)

// loadLine shows how a load goes: a bar that lives on a terminal, a line every tenth of its time elsewhere, also while
// its last jobs end.
type loadLine struct {
	out   io.Writer
	total time.Duration
	bars  *mpb.Progress // nil: lines
	bar   *mpb.Bar
	text  atomic.Value // string
	tenth int
}

func newLoadLine(out io.Writer, p load.Plan) *loadLine {
	l := &loadLine{out: out, total: max(p.RequestCurve.Duration, p.JobCurve.Duration), tenth: -1}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		l.text.Store("")
		l.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(20))
		l.bar = l.bars.AddBar(barSteps, mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return l.text.Load().(string) })))
	}
	return l
}

// show is called by one goroutine at a time.
func (l *loadLine) show(r load.Report) {
	text := loadText(r)
	part := r.Seconds / l.total.Seconds()
	if l.bar != nil {
		l.text.Store(text)
		l.bar.SetCurrent(int64(min(part, 1) * (barSteps - 1)))
		return
	}
	if tenth := int(part * 10); tenth > l.tenth {
		l.tenth = tenth
		fmt.Fprintf(l.out, "%s\n", text)
	}
}

// end leaves the terminal in order.
func (l *loadLine) end() {
	if l.bars != nil {
		l.bar.Abort(true)
		l.bars.Shutdown()
	}
}

// loadText is a report in a few words.
func loadText(r load.Report) string {
	words := []string{time.Duration(r.Seconds * float64(time.Second)).Round(time.Second).String()}
	done, failed, p99 := 0, 0, 0.0
	for _, q := range r.Requests {
		done += q.Done
		failed += q.Failed
		if q.Latency != nil {
			p99 = max(p99, q.Latency.P99)
		}
	}
	if len(r.Requests) > 0 {
		words = append(words, fmt.Sprintf("%d requests, %d failed, p99 %s", done, failed, time.Duration(p99*float64(time.Second)).Round(100*time.Microsecond)))
	}
	if j := r.Jobs; j != nil {
		words = append(words, fmt.Sprintf("%d jobs, %d running, %d processed, %d failed", j.Started, j.Running, j.Processed, j.Failed))
	}
	return strings.Join(words, " · ")
}
