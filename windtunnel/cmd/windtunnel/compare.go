package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"k8s-scalers/windtunnel"
)

type compareCommand struct {
	Scenario string            `arg:"" help:"A scenario file, or the name of one that ships."`
	Policy   map[string]string `required:"" placeholder:"NAME=DIR" help:"Manifests of one policy; name several folders with commas. Repeat for each policy. They are compared with the one whose name comes first."`
	Duration time.Duration     `help:"Run for this long in place of what the scenario says."`
	Seeds    uint64            `default:"3" help:"How many seeds to run each policy with."`
	Output   string            `short:"o" placeholder:"FILE" help:"Write a report with charts to this HTML file, too."`
}

func (c *compareCommand) Run(stopping *stop) error {
	s, err := readScenario(c.Scenario)
	if err != nil {
		return err
	}
	comparison, err := windtunnel.Compare(s, c.policies(), c.Seeds, windtunnel.Options{Duration: c.Duration, Stopped: stopping.asked.Load})
	if err != nil {
		return err
	}
	if c.Output != "" {
		if err := writeFile(c.Output, comparison.WriteHTML); err != nil {
			return err
		}
	}
	return comparison.WriteSummary(os.Stdout)
}

// policies by name.
func (c *compareCommand) policies() []windtunnel.Policy {
	var policies []windtunnel.Policy
	for _, name := range slices.Sorted(maps.Keys(c.Policy)) {
		policies = append(policies, windtunnel.Policy{Name: name, Manifests: strings.Split(c.Policy[name], ",")})
	}
	return policies
}
