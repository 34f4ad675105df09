// Command lintmanifests finds the mistakes in folders of manifests that are applied together. With -each, every folder is judged
// on its own beside those of -with.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"k8s-scalers/windtunnel/lint"
	"k8s-scalers/windtunnel/manifest"
)

func main() {
	err := run(os.Stdout, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	flags := flag.NewFlagSet("lintmanifests", flag.ContinueOnError)
	with := flags.String("with", "", "folders that are applied in any case, separated by commas")
	each := flags.Bool("each", false, "judge every folder on its own, beside those of -with")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("lint manifests: %w", err)
	}
	var always []string
	if *with != "" {
		always = strings.Split(*with, ",")
	}
	sets := [][]string{append(always, flags.Args()...)}
	if *each {
		sets = nil
		for _, dir := range flags.Args() {
			sets = append(sets, append(slices.Clip(always), dir))
		}
	}
	wrong, objectCount := 0, 0
	for _, set := range sets {
		objects, err := manifest.Load(set...)
		if err != nil {
			return err
		}
		if len(objects) == 0 {
			return errors.New("name the folders that are applied together, such as overlays/kind HPA/auth-service/resource-metric/cpu")
		}
		objectCount += len(objects)
		findings := lint.Check(objects)
		if err := lint.Write(out, findings); err != nil {
			return err
		}
		for _, o := range lint.Unknown(objects) {
			fmt.Fprintf(out, "%s: note: %s is not checked, because its schema is not known here\n", o.Position(), o.Ref())
		}
		for _, f := range findings {
			if f.Severity == lint.Error {
				wrong++
			}
		}
	}
	if wrong > 0 {
		return fmt.Errorf("mistakes found: %d", wrong)
	}
	fmt.Fprintf(out, "%d objects in %d sets of folders: no mistakes\n", objectCount, len(sets))
	return nil
}
