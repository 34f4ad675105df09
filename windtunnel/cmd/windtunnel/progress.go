package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress tells how much virtual time has passed. The run only stores a number: what tells it must not be part of its bubble.
type progress struct {
	at   atomic.Int64
	stop chan struct{}
	done chan struct{}
}

func (p *progress) set(at time.Duration) { p.at.Store(int64(at)) }

// end takes back what tells it.
func (p *progress) end() {
	close(p.stop)
	<-p.done
}

// newProgress is a bar on the standard error output, if that is a terminal.
func newProgress(planned time.Duration) *progress {
	if info, err := os.Stderr.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return tell(func(int64) {}, func() {})
	}
	bars := mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(50))
	bar := bars.New(int64(planned), mpb.BarStyle(), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Any(func(s decor.Statistics) string { return hours(time.Duration(s.Current)) })),
		mpb.AppendDecorators(decor.Percentage()))
	return tell(bar.SetCurrent, func() {
		bar.Abort(true)
		bars.Wait()
	})
}

// progressMark begins a line that tells the progress of a run to the comparison that it is part of.
const progressMark = "progress: "

func newProgressLines(out io.Writer) *progress {
	return tell(func(at int64) { fmt.Fprintf(out, "%s%d\n", progressMark, at) }, func() {})
}

// tell shows ten times a second how far a run is.
func tell(show func(at int64), end func()) *progress {
	p := &progress{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				show(p.at.Load())
			case <-p.stop:
				show(p.at.Load())
				end()
				return
			}
		}
	}()
	return p
}
