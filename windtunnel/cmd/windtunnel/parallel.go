package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
)

// parallel is the runs of a comparison. Each is a process of its own, as many at a time as there are processors: what runs in virtual time takes
// turns, so that one run keeps one processor busy.
type parallel struct {
	scenario string
	duration time.Duration // 0: that of the scenario
	program  string
	stopping *stop
	warned   func(text string)
	progress *progress

	running sync.WaitGroup
	passed  atomic.Int64
	results map[runKey]chan outcome
}

type runKey struct {
	policy string
	seed   uint64
}

type outcome struct {
	result *report.Result
	err    error
}

// begin starts all runs, in the order in which they are compared. They are killed when the context ends.
func (p *parallel) begin(ctx context.Context, policies []windtunnel.Policy, seeds uint64) {
	var runs []windtunnel.Options
	p.results = map[runKey]chan outcome{}
	for seed := range seeds {
		for _, policy := range policies {
			runs = append(runs, windtunnel.Options{Policy: policy.Name, Manifests: policy.Manifests, Seed: seed + 1})
			p.results[runKey{policy.Name, seed + 1}] = make(chan outcome, 1)
		}
	}
	processors := make(chan struct{}, runtime.NumCPU())
	p.running.Go(func() {
		for _, o := range runs {
			processors <- struct{}{}
			p.running.Go(func() {
				result, err := p.run(ctx, o)
				p.results[runKey{o.Policy, o.Seed}] <- outcome{result, err}
				<-processors
			})
		}
	})
}

// result waits for one of the runs that were begun.
func (p *parallel) result(o windtunnel.Options) (*report.Result, error) {
	of := <-p.results[runKey{o.Policy, o.Seed}]
	return of.result, of.err
}

func (p *parallel) run(ctx context.Context, o windtunnel.Options) (*report.Result, error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case p.stopping.asked():
		return &report.Result{Interrupted: true}, nil
	}
	args := []string{"run", p.scenario, "--json", "--compared", "--seed", strconv.FormatUint(o.Seed, 10)}
	if p.duration != 0 {
		args = append(args, "--duration", p.duration.String())
	}
	for _, folder := range o.Manifests {
		args = append(args, "--manifests", folder)
	}
	var out bytes.Buffer
	c := exec.CommandContext(ctx, p.program, args...)
	c.Stdout = &out
	stderr, err := c.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("begin a run: %w", err)
	}
	stdin, err := c.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("begin a run: %w", err)
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("begin a run: %w", err)
	}
	over := make(chan struct{})
	p.running.Go(func() {
		select {
		case <-p.stopping.heard:
		case <-over:
		}
		_ = stdin.Close() // The run has ended already, or ends now.
	})
	said := p.listen(stderr)
	err = c.Wait()
	close(over)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && c.ProcessState.ExitCode() != exitInterrupted {
		return nil, fmt.Errorf("the run with seed %d failed: %w", o.Seed, errors.Join(append(said, err)...))
	}
	result, err := report.ReadJSON(&out)
	if err != nil {
		return nil, err
	}
	result.Policy = o.Policy
	return result, nil
}

// listen reads what a run says until it has ended, and returns what is neither a warning nor progress.
func (p *parallel) listen(stderr io.Reader) (said []error) {
	before := int64(0)
	for lines := bufio.NewReader(stderr); ; {
		line, err := lines.ReadString('\n')
		if err != nil && line == "" {
			return said
		}
		line = strings.TrimSuffix(line, "\n")
		if at, found := strings.CutPrefix(line, progressMark); found {
			now, err := strconv.ParseInt(at, 10, 64)
			if err == nil {
				p.progress.set(time.Duration(p.passed.Add(now - before)))
				before = now
			}
			continue
		}
		if warning, found := strings.CutPrefix(line, warningMark); found {
			p.warned(warning)
			continue
		}
		said = append(said, errors.New(line))
	}
}

// compared makes this process a run of a comparison: it stops when the comparison closes its standard input, or has been killed, and not by the
// Ctrl-C that the terminal sends to both.
func (s *stop) compared() {
	signal.Ignore(os.Interrupt)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // Its end is what is waited for.
		s.ask()
	}()
}
