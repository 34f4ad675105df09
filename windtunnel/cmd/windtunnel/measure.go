package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"k8s-scalers/windtunnel/measure"
)

type measureCommand struct {
	Service map[string]string `arg:"" name:"deployment=url" help:"What is measured: captions/gateway-service=http://localhost:9090/metrics, the metrics of one of its pods. May be repeated."`
	For     time.Duration     `default:"5m" help:"For how long. Put load on the service meanwhile, with captions load."`
}

func (c *measureCommand) Run(stopping *stop) error {
	return c.measure(context.Background(), os.Stdout, func() {
		for end := time.Now().Add(c.For); time.Now().Before(end) && !stopping.asked(); {
			time.Sleep(min(time.Until(end), 100*time.Millisecond))
		}
	})
}

// measure looks at all services, waits, looks again, and writes the workloads of a scenario. One that cannot be measured does not keep the
// others from being written.
func (c *measureCommand) measure(ctx context.Context, out io.Writer, wait func()) error {
	var failed []error
	before := map[string]measure.Metrics{}
	names := slices.Sorted(maps.Keys(c.Service))
	for _, name := range names {
		if !strings.Contains(name, "/") {
			failed = append(failed, fmt.Errorf("%s: expected namespace/name of a Deployment", name))
			continue
		}
		metrics, err := measure.Fetch(ctx, c.Service[name])
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
			continue
		}
		before[name] = metrics
	}
	if len(before) == 0 {
		return errors.Join(failed...)
	}
	wait()
	fmt.Fprintln(out, "workloads:")
	for _, name := range names {
		if before[name] == nil {
			continue
		}
		after, err := measure.Fetch(ctx, c.Service[name])
		if err == nil {
			var service measure.Service
			if service, err = measure.Between(before[name], after); err == nil {
				err = service.WriteWorkload(out, name)
			}
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}
