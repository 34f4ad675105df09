package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress shows how far each file is: bars on a terminal, lines elsewhere.
type progress struct {
	out  io.Writer
	bars *mpb.Progress // nil: lines
	mu   sync.Mutex
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
	}
	return p
}

// done leaves the terminal in order.
func (p *progress) done() {
	if p.bars != nil {
		p.bars.Shutdown()
	}
}

// bar is the progress of one file. Its methods are safe for concurrent use.
type bar struct {
	p    *progress
	name string
	st   *barState
	mb   *mpb.Bar
}

type barState struct {
	mu    sync.Mutex
	stage string
	tenth int
	best  int64
}

const barSteps = 1000

func (p *progress) bar(path string) bar {
	b := bar{p: p, name: filepath.Base(path), st: &barState{tenth: -1}}
	if p.bars != nil {
		b.mb = p.bars.AddBar(barSteps,
			mpb.PrependDecorators(decor.Name(b.name, decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace),
				decor.OnAbort(decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace), ""), ""),
				decor.Any(func(decor.Statistics) string {
					b.st.mu.Lock()
					defer b.st.mu.Unlock()
					return " " + b.st.stage
				})))
	}
	return b
}

// set shows a stage and how much of it, from 0 to 1, is done. Lines come once a stage and once every 10 %.
func (b bar) set(stage string, part float64) {
	b.st.mu.Lock()
	defer b.st.mu.Unlock()
	changed := stage != b.st.stage
	if changed {
		b.st.best = 0
	}
	b.st.stage = stage
	if b.mb != nil {
		if n := int64(part * (barSteps - 1)); n > b.st.best || changed {
			b.st.best = n
			b.mb.SetCurrent(n)
		}
		return
	}
	if tenth := int(part * 10); changed || tenth > b.st.tenth {
		b.st.tenth = tenth
		b.p.line("%s: %s %d%%", b.name, stage, int(part*100))
	}
}

// end shows how it ended.
func (b bar) end(how string) {
	if b.mb != nil {
		b.stage(how)
		b.mb.SetCurrent(barSteps)
		return
	}
	b.p.line("%s: %s", b.name, how)
}

// fail shows why it failed.
func (b bar) fail(why string) {
	if b.mb != nil {
		b.stage("failed")
		b.mb.Abort(false)
		_, _ = fmt.Fprintf(b.p.bars, "%s: failed: %s\n", b.name, why) // There is nowhere else to say it.
		return
	}
	b.p.line("%s: failed: %s", b.name, why)
}

func (b bar) stage(s string) {
	b.st.mu.Lock()
	b.st.stage = s
	b.st.mu.Unlock()
}

func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, format+"\n", args...) // There is nowhere else to say it.
}
