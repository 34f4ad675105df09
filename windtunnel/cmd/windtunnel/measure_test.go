package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

// TestMeasureWritesWorkloads measures a service that serves a thousand requests while the command waits, and one that is not there.
func TestMeasureWritesWorkloads(t *testing.T) {
	var requests atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := requests.Load()
		fmt.Fprintf(w, "# TYPE captions_http_request_duration_seconds histogram\n"+
			"captions_http_request_duration_seconds_bucket{route=\"/\",le=\"0.01\"} %d\ncaptions_http_request_duration_seconds_bucket{route=\"/\",le=\"+Inf\"} %[1]d\n"+
			"captions_http_request_duration_seconds_sum{route=\"/\"} %g\ncaptions_http_request_duration_seconds_count{route=\"/\"} %[1]d\n"+
			"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %[2]g\n", n, float64(n)/200)
	}))
	defer service.Close()
	var command measureCommand
	parser, err := kong.New(&command)
	require.NoError(t, err)
	_, err = parser.Parse([]string{"captions/gateway-service=" + service.URL, "captions/gone=http://127.0.0.1:1/metrics", "--for", "1s"})
	require.NoError(t, err)
	var out strings.Builder
	err = command.measure(t.Context(), &out, func() { requests.Store(1000) })
	require.ErrorContains(t, err, "captions/gone: read metrics")
	require.Equal(t, "workloads:\n  - deployment: captions/gateway-service\n    requests: # add load\n"+
		"      service: {median: 5ms, p95: 9.5ms} # 1000 requests\n      cpu: 1000m\n", out.String())
}

// TestARunTellsMistakesOfScenarioAndManifestsTogether has a wrong field in the one, and the other is not YAML.
func TestARunTellsMistakesOfScenarioAndManifestsTogether(t *testing.T) {
	dir := t.TempDir()
	scenario, manifests := filepath.Join(dir, "day.yaml"), filepath.Join(dir, "web.yaml")
	require.NoError(t, os.WriteFile(scenario, []byte("duration: 1h\ncolour: red\nworkloads:\n  - deployment: shop/web\n"), 0o600))
	require.NoError(t, os.WriteFile(manifests, []byte("apiVersion: apps/v1\nkind: [\n"), 0o600))
	err := (&runCommand{Scenario: scenario, Manifests: []string{manifests}}).Run(&stop{})
	require.ErrorContains(t, err, "day.yaml:2: colour: there is no such field")
	require.ErrorContains(t, err, "day.yaml:4: workloads[0]: expected requests or jobs")
	require.ErrorContains(t, err, "web.yaml")
}
