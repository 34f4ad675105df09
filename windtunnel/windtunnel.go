package windtunnel

import (
	"fmt"
	"time"

	"k8s-scalers/windtunnel/internal/engine"
	"k8s-scalers/windtunnel/internal/vtime"
	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scenario"
)

// Options of a run. The zero value runs the scenario as it is written.
type Options struct {
	// Manifests replace those that the scenario names.
	Manifests []string
	// Policy names the manifests in the report.
	Policy string
	// Duration and Seed replace those of the scenario where they are not 0.
	Duration time.Duration
	Seed     uint64
	// Warned, if not nil, is told before the run which policies can never work; the report says it, too. Progress, if not nil, is told how
	// much virtual time has passed. Stopped, if not nil, is asked whether to end early with
	// what there is; both are called from the run.
	Warned   func([]report.Note)
	Progress func(time.Duration)
	Stopped  func() bool
}

// Run runs a scenario in virtual time. Programs call it; tests use package windtunneltest.
func Run(s *scenario.Scenario, options Options) (*report.Result, error) {
	return Prepare(s, options, vtime.Run)
}

// Prepare loads the manifests and runs the scenario in the bubble that bubble makes. It is what Run and package windtunneltest
// have in common.
func Prepare(s *scenario.Scenario, options Options, bubble func(work func()) error) (*report.Result, error) {
	changed := *s
	if options.Duration != 0 {
		changed.Duration = options.Duration
	}
	if options.Seed != 0 {
		changed.Seed = options.Seed
	}
	paths := options.Manifests
	if len(paths) == 0 {
		paths = s.ManifestPaths()
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s names no manifests; name the folders that will be deployed, there or as options", s.File)
	}
	objects, err := manifest.Load(paths...)
	if err != nil {
		return nil, err
	}
	var result *report.Result
	var failed error
	if err := bubble(func() {
		result, failed = engine.Run(engine.Input{
			Scenario: &changed, Objects: objects, Policy: options.Policy,
			Warned: options.Warned, Progress: options.Progress, Stopped: options.Stopped,
		})
	}); err != nil {
		return nil, err
	}
	return result, failed
}
