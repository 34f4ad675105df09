package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/report"
)

type compareCommand struct {
	Scenario string        `arg:"" help:"A scenario file, or the name of one that ships."`
	Policy   []string      `required:"" sep:"none" placeholder:"NAME=DIR,..." help:"Manifests of one policy; name several folders with commas. Repeat for each policy. They are compared with the first."`
	Duration time.Duration `help:"Run for this long in place of what the scenario says."`
	Seeds    uint64        `default:"3" help:"How many seeds to run each policy with."`
	JSON     bool          `name:"json" help:"Write the comparison as JSON to the standard output, in place of the table."`
	Output   string        `short:"o" placeholder:"FILE" help:"Write the table with all differences to this HTML file, too."`
}

func (c *compareCommand) Run(stopping *stop) error {
	s, err := readScenario(c.Scenario)
	policies, wrong := c.policies()
	err = errors.Join(err, wrong)
	for _, p := range policies { // All mistakes at once, and before the first run.
		if _, wrong := manifest.Load(p.Manifests...); wrong != nil {
			err = errors.Join(err, fmt.Errorf("policy %s: %w", p.Name, wrong))
		}
	}
	if err != nil {
		return err
	}
	page, err := newPage(c.Output)
	if err != nil {
		return err
	}
	defer page.discard()
	comparison, err := c.compare(stopping, policies, cmp.Or(c.Duration, s.Duration))
	if err != nil {
		return err
	}
	write := comparison.WriteSummary
	if c.JSON {
		write = comparison.WriteJSON
	}
	err = errors.Join(page.write(comparison.WriteHTML), write(os.Stdout))
	if err == nil && len(comparison.Seeds) < comparison.Planned {
		err = errInterrupted
	}
	return err
}

func (c *compareCommand) compare(stopping *stop, policies []windtunnel.Policy, duration time.Duration) (*report.Comparison, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	progress := newProgress(duration * time.Duration(c.Seeds) * time.Duration(len(policies)))
	defer progress.end()
	runs := &parallel{
		scenario: c.Scenario, duration: c.Duration, program: program, stopping: stopping, warned: warnOnce(os.Stderr), progress: progress,
	}
	defer runs.running.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	runs.begin(ctx, policies, c.Seeds)
	return windtunnel.CompareWith(policies, c.Seeds, windtunnel.Options{}, runs.result)
}

// warnOnce writes what can never work, each once, however many runs find it.
func warnOnce(out io.Writer) func(text string) {
	var mu sync.Mutex
	said := map[string]bool{}
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		if !said[text] {
			said[text] = true
			fmt.Fprintf(out, "%s%s\n", warningMark, text)
		}
	}
}

// policies in the order in which they were given.
func (c *compareCommand) policies() ([]windtunnel.Policy, error) {
	var policies []windtunnel.Policy
	for _, given := range c.Policy {
		name, folders, found := strings.Cut(given, "=")
		switch {
		case !found || name == "" || folders == "":
			return nil, fmt.Errorf("--policy: expected NAME=DIR or NAME=DIR,DIR, found %q", given)
		case slices.ContainsFunc(policies, func(p windtunnel.Policy) bool { return p.Name == name }):
			return nil, fmt.Errorf("--policy: %s is given twice; name all its folders in one, with commas", name)
		}
		policies = append(policies, windtunnel.Policy{Name: name, Manifests: strings.Split(folders, ",")})
	}
	return policies, nil
}
