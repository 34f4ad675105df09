// Command bench measures captions against its peers, each pair in one run on one machine, and prints the figures as
// tables; with -write it also keeps them in a file. It makes its own speech, videos and servers, and leaves nothing
// behind. Nothing is asserted here: what must hold at all times is in the tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A figure is measured by name, and gives one or more rows of the table.
type figure struct {
	name    string
	about   string
	measure func(ctx context.Context, l *lab) ([]row, error)
}

// figures returns all figures, in the order of the table.
func figures() []figure {
	return []figure{
		{"speed", "captions transcribe of a 10-minute video, with two workers and with one", measureSpeed},
		{"accuracy", "word error rates in four synthetic voices and one human", measureAccuracy},
		{"memory", "peak resident memory during a short and a long video", measureMemory},
		{"upload", "1 GiB in parts, through the platform and straight to the object store", measureUpload},
		{"subscribers", "2,000 subscribers of jobs in progress", measureSubscribers},
		{"gateway", "the gateway against nginx with auth_request, and against Caddy", measureGateway},
		{"hand-over", "tasks through RabbitMQ, by the platform's queue and by a plain client", measureHandOver},
		{"scaling", "one video with 1, 2, 4 and 8 workers", measureScaling},
		{"replicas", "5,000 subscribers over two replicas of caption-service", measureReplicas},
		{"starts", "the start of each of the six programs", measureStarts},
		{"windtunnel", "a day and a week of the platform in the wind tunnel, and building it", measureWindtunnel},
	}
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == objectServerCommand {
		if err := serveObjects(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var only, program, dir, write string
	l := &lab{start: time.Now(), log: stderr}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&only, "only", "", "measure just these `figures`, separated by commas: "+strings.Join(names(), ", "))
	fs.StringVar(&program, "captions", "bin/captions", "the `program` to measure")
	fs.StringVar(&dir, "dir", "", "`folder` for fixtures and data, on the disk to measure on; default: a temporary one")
	fs.StringVar(&write, "write", "", "also write the tables to this `file`, which keeps those of figures that were not measured; needs full size")
	fs.BoolVar(&l.quick, "quick", false, "smaller inputs and fewer rounds: to try the program out, not to quote")
	fs.BoolVar(&l.full, "full", false, "for the figure memory: speech in all of the three hours, rather than in one tenth")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if write != "" && l.quick {
		return errors.New("-write needs figures at full size: leave out -quick")
	}
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	if l.captions, err = filepath.Abs(program); err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	if _, err := exec.LookPath(l.captions); err != nil {
		return fmt.Errorf("build it with make build, or name another one with -captions: %w", err)
	}
	if l.dir, err = os.MkdirTemp(dir, "captions-bench-"); err != nil {
		return fmt.Errorf("make the folder for fixtures: %w", err)
	}
	defer func() {
		if err := os.RemoveAll(l.dir); err != nil {
			l.logf("%v", err)
		}
	}()

	var failed []error
	measured := map[string]string{}
	for _, f := range chosen {
		l.logf("%s: %s", f.name, f.about)
		r, err := f.measure(ctx, l)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", f.name, err))
			l.logf("%s: %v", f.name, err)
			continue
		}
		measured[f.name] = section(ctx, l, f, r)
		if _, err := io.WriteString(stdout, table(r)+"\n"); err != nil {
			return fmt.Errorf("print the table: %w", err)
		}
	}
	if write != "" {
		if err := keep(write, measured); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

func names() []string {
	var all []string
	for _, f := range figures() {
		all = append(all, f.name)
	}
	return all
}

// choose returns the named figures, or all of them.
func choose(only string) ([]figure, error) {
	if only == "" {
		return figures(), nil
	}
	var chosen []figure
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(figures(), func(f figure) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no figure %q; the figures are: %s", name, strings.Join(names(), ", "))
		}
		chosen = append(chosen, figures()[i])
	}
	return chosen, nil
}
