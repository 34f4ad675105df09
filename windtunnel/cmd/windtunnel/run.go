package main

import (
	"errors"
	"fmt"
	"io"
	"os"
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
	JSON      bool          `name:"json" help:"Write the result as JSON to the standard output, in place of the summary."`
	CSV       bool          `name:"csv" help:"Write the series as CSV to the standard output, in place of the summary."`
	Output    string        `short:"o" placeholder:"FILE" help:"Write a report with charts to this HTML file, too."`
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
	planned := s.Duration
	if c.Duration != 0 {
		planned = c.Duration
	}
	progress := newProgress(planned)
	warned := func(warnings []report.Note) {
		for _, w := range warnings {
			fmt.Fprintf(os.Stderr, "%s: warning: %s\n", w.Where, w.Text)
		}
	}
	result, err := windtunnel.Run(s, windtunnel.Options{
		Manifests: c.Manifests, Duration: c.Duration, Seed: c.Seed,
		Warned: warned, Progress: progress.set, Stopped: stopping.asked.Load,
	})
	progress.end()
	if err != nil {
		return err
	}
	if c.Output != "" {
		if err := writeFile(c.Output, result.WriteHTML); err != nil {
			return err
		}
	}
	if c.JSON {
		return result.WriteJSON(os.Stdout)
	}
	if c.CSV {
		return result.WriteCSV(os.Stdout)
	}
	return result.WriteSummary(os.Stdout)
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return errors.Join(write(file), file.Close())
}

func hours(d time.Duration) string { return fmt.Sprintf("%.1f h", d.Hours()) }
