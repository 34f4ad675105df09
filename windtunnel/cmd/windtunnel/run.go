package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/report"
)

type runCommand struct {
	Scenario  string        `arg:"" help:"A scenario file, or the name of one that ships."`
	Manifests []string      `placeholder:"DIR" help:"Kustomize folder, folder of YAML or file, in place of what the scenario names. May be repeated."`
	Duration  time.Duration `help:"Run for this long in place of what the scenario says."`
	Seed      uint64        `help:"Seed of the random numbers in place of the scenario's."`
	JSON      bool          `name:"json" xor:"form" help:"Write the result as JSON to the standard output, in place of the summary."`
	CSV       bool          `name:"csv" xor:"form" help:"Write the series as CSV to the standard output, in place of the summary."`
	Decisions bool          `xor:"form" help:"Write the decisions as CSV to the standard output, in place of the summary."`
	Output    string        `short:"o" placeholder:"FILE" help:"Write a report with charts to this HTML file, too."`
	Compared  bool          `hidden:"" help:"This run is part of a comparison, which hears of its progress on the standard error, and stops it by closing the standard input."`
}

func (c *runCommand) Run(stopping *stop) error {
	s, err := readScenario(c.Scenario)
	if err != nil {
		// All mistakes at once: those of the manifests need no scenario to be seen.
		if len(c.Manifests) > 0 {
			_, wrong := manifest.Load(c.Manifests...)
			err = errors.Join(err, wrong)
		}
		return err
	}
	page, err := newPage(c.Output)
	if err != nil {
		return err
	}
	defer page.discard()
	var progress *progress
	if c.Compared {
		stopping.compared()
		progress = newProgressLines(os.Stderr)
	} else {
		progress = newProgress(cmp.Or(c.Duration, s.Duration))
	}
	result, err := windtunnel.Run(s, windtunnel.Options{
		Manifests: c.Manifests, Duration: c.Duration, Seed: c.Seed,
		Warned: warn(os.Stderr), Progress: progress.set, Stopped: stopping.asked,
	})
	progress.end()
	if err != nil {
		return err
	}
	write := result.WriteSummary
	switch {
	case c.JSON:
		write = result.WriteJSON
	case c.CSV:
		write = result.WriteCSV
	case c.Decisions:
		write = result.WriteDecisionsCSV
	}
	err = errors.Join(page.write(result.WriteHTML), write(os.Stdout))
	if err == nil && result.Interrupted {
		err = errInterrupted
	}
	return err
}

// warningMark begins a line about what can never work.
const warningMark = "warning: "

func warn(out io.Writer) func([]report.Note) {
	return func(warnings []report.Note) {
		for _, w := range warnings {
			fmt.Fprintf(out, "%s%s\n", warningMark, w)
		}
	}
}

// page is the HTML file of a report. It is made before the run, so that a place where nothing can be written is told at once, and takes its
// name when it is complete, so that a run that fails leaves the report of the last one.
type page struct {
	path string
	file *os.File // nil where no report was asked for
}

func newPage(path string) (page, error) {
	if path == "" {
		return page{}, nil
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return page{}, fmt.Errorf("write the report: %s is not a file", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".windtunnel-*.html")
	if err != nil {
		return page{}, fmt.Errorf("write the report to %s: %w", path, err)
	}
	return page{path, file}, nil
}

func (p page) write(content func(io.Writer) error) error {
	if p.file == nil {
		return nil
	}
	err := errors.Join(content(p.file), p.file.Chmod(0o644), p.file.Close())
	if err == nil {
		err = os.Rename(p.file.Name(), p.path)
	}
	if err != nil {
		return fmt.Errorf("write the report to %s: %w", p.path, err)
	}
	return nil
}

// discard removes what was not completed.
func (p page) discard() {
	if p.file != nil {
		_ = p.file.Close()           // It is closed where it was written.
		_ = os.Remove(p.file.Name()) // It has another name where it was written.
	}
}

func hours(d time.Duration) string { return fmt.Sprintf("%.1f h", d.Hours()) }
