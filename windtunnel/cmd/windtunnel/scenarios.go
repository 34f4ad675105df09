package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"k8s-scalers/windtunnel/scenario"
	"k8s-scalers/windtunnel/scenarios"
)

type scenariosCommand struct{}

func (scenariosCommand) Run() error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, name := range scenarios.Names() {
		s, err := scenarios.Read(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%s\n", name, s.Title)
	}
	return table.Flush()
}

// readScenario takes a file, or the name of a scenario that ships.
func readScenario(name string) (*scenario.Scenario, error) {
	if _, err := os.Stat(name); err != nil && !strings.ContainsAny(name, "./") {
		return scenarios.Read(name)
	}
	return scenario.Read(name)
}
