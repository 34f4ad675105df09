package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/manifest"
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
	progress := newProgress(cmp.Or(c.Duration, s.Duration) * time.Duration(c.Seeds) * time.Duration(len(policies)))
	comparison, err := windtunnel.Compare(s, policies, c.Seeds, windtunnel.Options{
		Duration: c.Duration, Warned: warn(os.Stderr), Progress: progress.set, Stopped: stopping.asked.Load,
	})
	progress.end()
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
