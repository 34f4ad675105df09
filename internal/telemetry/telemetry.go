// Package telemetry builds what a process observes itself with: its logger, its registry of metrics, and its traces. What is
// logged, counted and traced is up to the packages that do the work; the admin port that shows the metrics is of package app.
package telemetry

import (
	"errors"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry that holds the metrics of the Go runtime and of the process, and captions_build_info
// with the name of the program and its version.
func NewRegistry(program, version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "captions_build_info",
		Help: "Always 1; the labels say which build runs.",
		ConstLabels: prometheus.Labels{
			"program": program, "version": version, "revision": revision(), "go": runtime.Version(),
		},
	})
	info.Set(1)
	reg.MustRegister(info)
	return reg
}

// Register registers c, and returns the collector of the same description that is registered already where there is one:
// in one process, several services count into the same metrics. A nil reg registers nothing. It panics where
// c contradicts a registered collector, because that is a fault of the program.
func Register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	err := reg.Register(c)
	if err == nil {
		return c
	}
	if taken, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := taken.ExistingCollector.(C); ok {
			return same
		}
	}
	panic(err)
}

// revision is the commit that the program was built from, or "unknown".
func revision() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
