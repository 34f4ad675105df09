package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/config"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// aboutMetrics begins the page.
const aboutMetrics = "# Metrics\n\n" +
	"Every process serves these at `/metrics` of its admin port; `captions serve` has all of them, each of the six programs those of\n" +
	"its service. Beside them are those of the Go runtime (`go_…`) and of the process (`process_…`). Names and units are Prometheus'\n" +
	"conventions: seconds, bytes, and `_total` for what only grows. The table is made from the code by\n" +
	"`go test ./cmd/captions -run TestMetricsAreDocumented -update`.\n\n" +
	"Rate, errors and duration of a route are all in `captions_http_request_duration_seconds`. A figure that the queue cannot tell is\n" +
	"missing rather than 0. The real-time factor of an engine, which is below 1 when it is faster than the sound, is\n\n" +
	"```\n" +
	"sum by (engine) (rate(captions_task_duration_seconds_sum{kind=\"transcribe\", outcome=\"done\"}[5m]))\n" +
	"  / sum by (engine) (rate(captions_audio_seconds_total[5m]))\n" +
	"```\n\n" +
	"| metric | labels | what it is |\n|---|---|---|\n"

var descForm = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)",.* variableLabels: \{([^}]*)\}\}$`)

// What the services register is what the page says.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := filepath.Abs("../../docs/metrics.md")
	require.NoError(t, err)
	t.Chdir(t.TempDir()) // The object store changes the working folder; afterwards it is as before.
	var s config.Serve
	require.NoError(t, config.Load(&s))
	s.Addr, s.AdminAddr, s.DataDir = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
	require.NoError(t, s.Normalise())
	p, err := newPlatform(t.Context(), s, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		p.Reg.Describe(descriptions)
	}()
	var rows []string
	for d := range descriptions {
		m := descForm.FindStringSubmatch(d.String())
		require.NotNil(t, m, d.String())
		name, help, labels := m[1], strings.ReplaceAll(m[2], `\"`, `"`), ""
		if !strings.HasPrefix(name, "captions_") {
			continue
		}
		if m[3] != "" {
			labels = "`" + strings.ReplaceAll(m[3], ",", "`, `") + "`"
		}
		require.Regexp(t, `^[a-z]+(_[a-z]+)*$`, name)
		require.NotRegexp(t, `_(milliseconds|ms|minutes|kilobytes|megabytes|percent)(_|$)`, name, "base units")
		require.Regexp(t, `\S\.$`, help, "%s: a sentence", name)
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", name, labels, help))
	}
	require.NoError(t, p.App.Close())
	slices.Sort(rows)
	want := aboutMetrics + strings.Join(rows, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "write the page anew with -update")
}
