package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/scenario"
)

func TestAllMistakesAtOnceWithTheirLines(t *testing.T) {
	_, err := scenario.Parse("day.yaml", []byte(`title: [a]
duration: 24
colour: red
workloads:
  - deployment: gateway
    requests:
      load: {shape: diurnal, low: 1, peak: 5}
      service: {mean: 40ms, p95: 3s}
      concurrency: many
  - deployment: shop/zero
    requests:
      load: {shape: steady, rate: 1}
      service: {median: 4, p95: 15ms}
      concurrency: 0
  - deployment: shop/endless
    jobs:
      load: {shape: steady, rate: 1}
  - deployment: shop/worker
slos:
  - {name: fast, workload: shop/nobody, latencyBelow: 1s, goal: 99}
metrics:
  interval: 15s
  gaps: [{from: 3h, until: 2h}]
cluster:
  nodes: [{type: m7i.tiny, count: 3}]
`))
	var problems scenario.Problems
	require.ErrorAs(t, err, &problems)
	found := map[int]string{}
	for _, p := range problems {
		require.Equal(t, "day.yaml", p.File)
		found[p.Line] += p.Field + ": " + p.Text + "\n"
	}
	for line, text := range map[int]string{
		1:  "title: expected a text, found a list",
		2:  "duration: expected a duration such as",
		3:  "colour: there is no such field; expected one of name, title,",
		5:  "expected namespace/name of a Deployment, found \"gateway\"",
		7:  "a diurnal has no such field; it has low, high, at, noise",
		8:  "expected a duration such as 40ms, or one of {mean}",
		9:  "expected a whole number, found \"many\"",
		13: "workloads[1].requests.service.median: expected a duration such as",
		14: "workloads[1].requests.concurrency: expected at least 1, found 0",
		16: "workloads[2].jobs.segment: it is missing; expected a duration such as 40ms, or one of {mean}",
		18: "workloads[3]: expected requests or jobs",
		20: "slos[0].workload: expected one of the workloads",
		23: "metrics.gaps[0]: expected until after from",
		25: "m7i.tiny",
	} {
		require.Contains(t, found[line], text, "line %d: %s", line, found[line])
	}
	require.Contains(t, found[7], "a diurnal needs high")
	require.Equal(t, 1, strings.Count(found[13], "\n"), "a mistake is told once: %s", found[13])
	require.Contains(t, found[20], "slos[0].goal: expected a fraction")
}

func TestDefaults(t *testing.T) {
	s, err := scenario.Parse("some/day.yaml", []byte(`
workloads:
  - deployment: shop/web
    requests: {load: {shape: steady, rate: 3}, service: 20ms}
manifests: [web, /etc/other]
`))
	require.NoError(t, err)
	require.Equal(t, "day", s.Name)
	require.Equal(t, 24*time.Hour, s.Duration)
	require.Equal(t, 16, s.Workloads[0].Requests.Concurrency)
	require.Equal(t, []string{filepath.Join("some", "web"), "/etc/other"}, s.ManifestPaths())
	require.InDelta(t, 0.02, s.Workloads[0].Requests.Service.Of().Mean(), 1e-9)
}

func TestTraces(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "load.csv"), []byte("minute,requests\n0,60\n1,120\n"), 0o600))
	text := `
workloads:
  - deployment: shop/web
    requests: {load: [{shape: trace, file: FILE, every: 1m, scale: 0.5}, {shape: steady, rate: 1}], service: 20ms}
`
	s, err := scenario.Parse(filepath.Join(dir, "s.yaml"), []byte(replace(text, "load.csv")))
	require.NoError(t, err)
	load := s.Workloads[0].Requests.Load.Of(time.Hour, nil)
	require.InDelta(t, 31, load.Rate(0), 0)
	require.InDelta(t, 61, load.Rate(90*time.Second), 0)
	_, err = scenario.Parse(filepath.Join(dir, "s.yaml"), []byte(replace(text, "missing.csv")))
	require.ErrorContains(t, err, "s.yaml:4: workloads[0].requests.load[0].file: expected a CSV file")
}

func replace(text, file string) string {
	for i := range text {
		if text[i:min(i+4, len(text))] == "FILE" {
			return text[:i] + file + text[i+4:]
		}
	}
	return text
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("workloads: [{deployment: a/b, requests: {load: {shape: steady, rate: 1}, service: 1ms}}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := scenario.Parse("fuzz.yaml", text)
		require.NotEqual(t, s == nil, err == nil)
	})
}
