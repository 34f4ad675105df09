// Package scenarios holds the scenarios that ship with windtunnel. They put load on the captions platform, but any manifests
// with Deployments of the same names can be run under them.
package scenarios

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"k8s-scalers/windtunnel/scenario"
)

//go:embed *.yaml
var files embed.FS

// Names of all scenarios, sorted.
func Names() []string {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		panic(err) // The pattern is a constant.
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, path.Ext(name))
	}
	return names
}

// Read returns a scenario by its name.
func Read(name string) (*scenario.Scenario, error) {
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("there is no scenario %s; there are %s", name, strings.Join(Names(), ", "))
	}
	return scenario.Parse(name+".yaml", text)
}
