package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
)

type compareCommand struct {
	Scenario string            `arg:"" help:"A scenario file, or the name of one that ships."`
	Policy   map[string]string `required:"" placeholder:"NAME=DIR" help:"Manifests of one policy; name several folders with commas. Repeat for each policy."`
	Duration time.Duration     `help:"Run for this long in place of what the scenario says."`
	Seeds    uint64            `default:"3" help:"How many seeds to run each policy with."`
	Output   string            `short:"o" placeholder:"FILE" help:"Write a report with charts to this HTML file, too."`
}

func (c *compareCommand) Run(stopping *stop) error {
	s, err := readScenario(c.Scenario)
	if err != nil {
		return err
	}
	var results []*report.Result
	for _, name := range slices.Sorted(maps.Keys(c.Policy)) {
		for seed := range c.Seeds {
			result, err := windtunnel.Run(s, windtunnel.Options{
				Manifests: splitPaths(c.Policy[name]), Policy: name, Duration: c.Duration, Seed: seed + 1, Stopped: stopping.asked.Load,
			})
			if err != nil {
				return fmt.Errorf("policy %s: %w", name, err)
			}
			results = append(results, result)
		}
	}
	comparison, err := report.Compare(results)
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

func splitPaths(list string) []string { return strings.Split(list, ",") }
