package main

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress is a bar in virtual time on the standard error output, if that is a terminal. The run only stores a number: what
// draws must not be part of its bubble.
type progress struct {
	bar  *mpb.Bar
	bars *mpb.Progress
	at   atomic.Int64
	stop chan struct{}
	done chan struct{}
}

func newProgress(planned time.Duration) *progress {
	p := &progress{stop: make(chan struct{}), done: make(chan struct{})}
	if info, err := os.Stderr.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		close(p.done)
		return p
	}
	p.bars = mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(50))
	p.bar = p.bars.New(int64(planned), mpb.BarStyle(), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Any(func(s decor.Statistics) string { return hours(time.Duration(s.Current)) })),
		mpb.AppendDecorators(decor.Percentage()))
	go p.draw()
	return p
}

func (p *progress) set(at time.Duration) { p.at.Store(int64(at)) }

func (p *progress) draw() {
	defer close(p.done)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.bar.SetCurrent(p.at.Load())
		case <-p.stop:
			p.bar.Abort(true)
			p.bars.Wait()
			return
		}
	}
}

// end takes the bar away.
func (p *progress) end() {
	close(p.stop)
	<-p.done
}
