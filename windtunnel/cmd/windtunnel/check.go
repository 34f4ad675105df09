package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"k8s-scalers/windtunnel/lint"
	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/scalers/keda"
)

type checkCommand struct {
	Folders []string `arg:"" name:"dir" help:"Kustomize folders, folders of YAML and files that are applied together."`
	With    []string `placeholder:"DIR" help:"What is applied in any case, for --each. May be repeated."`
	Each    bool     `help:"Judge every folder on its own, beside those of --with."`
}

func (c *checkCommand) Run() error { return c.check(os.Stdout) }

// check writes what is wrong, and fails if that includes an error.
func (c *checkCommand) check(out io.Writer) error {
	sets := [][]string{slices.Concat(c.With, c.Folders)}
	if c.Each {
		sets = nil
		for _, folder := range c.Folders {
			sets = append(sets, append(slices.Clip(c.With), folder))
		}
	}
	wrong, count := 0, 0
	var unreadable []error
	for _, set := range sets {
		objects, err := manifest.Load(set...)
		if err != nil {
			unreadable = append(unreadable, err)
			continue
		}
		if len(objects) == 0 {
			unreadable = append(unreadable, fmt.Errorf("%s: there are no objects in it", strings.Join(set, ", ")))
		}
		count += len(objects)
		findings := lint.Check(objects)
		if err := lint.Write(out, findings); err != nil {
			return err
		}
		for _, o := range lint.Unknown(objects) {
			fmt.Fprintf(out, "%s: note: %s is not checked, because its schema is not known here\n", o.Position(), o.Ref())
		}
		for _, o := range objects {
			if o.GroupVersionKind().GroupKind() == keda.ScaledJobs {
				fmt.Fprintf(out, "%s: note: %s: %s\n", o.Position(), o.Ref(), keda.NoScaledJobs)
			}
		}
		for _, f := range findings {
			if f.Severity == lint.Error {
				wrong++
			}
		}
	}
	if wrong > 0 {
		unreadable = append(unreadable, fmt.Errorf("mistakes found: %d", wrong))
	}
	if err := errors.Join(unreadable...); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d objects in %d sets of folders: no mistakes\n", count, len(sets))
	return nil
}
