package measure_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/measure"
	"k8s-scalers/windtunnel/scenario"
)

// gateway is what a gateway says after a number of requests of 1 to 2.5 ms, a tenth as many of up to 50 ms, and a stream of an hour.
func gateway(requests int, cpu float64) string {
	series := func(route string, below map[string]int, count int, sum float64) string {
		var b strings.Builder
		for _, bound := range []string{"0.001", "0.0025", "0.025", "0.05"} {
			fmt.Fprintf(&b, "captions_http_request_duration_seconds_bucket{route=%q,le=%q} %d\n", route, bound, below[bound])
		}
		fmt.Fprintf(&b, "captions_http_request_duration_seconds_bucket{route=%q,le=\"+Inf\"} %d\n", route, count)
		fmt.Fprintf(&b, "captions_http_request_duration_seconds_count{route=%q} %d\ncaptions_http_request_duration_seconds_sum{route=%q} %g\n", route, count, route, sum)
		return b.String()
	}
	slow := requests / 10
	return "# TYPE captions_http_request_duration_seconds histogram\n" +
		series("/api/v1/captions", map[string]int{"0.0025": requests, "0.025": requests, "0.05": requests + slow}, requests+slow, float64(requests)*0.002+float64(slow)*0.04) +
		series("/api/v1/captions/{id}/events", map[string]int{}, requests/100, float64(requests)*36) +
		fmt.Sprintf("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %g\n# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 5.2e+07\n", cpu)
}

func parse(t *testing.T, text string) measure.Metrics {
	t.Helper()
	m, err := measure.Parse(strings.NewReader(text))
	require.NoError(t, err)
	return m
}

func TestRequestsAreMeasuredBetweenTwoLooks(t *testing.T) {
	s, err := measure.Between(parse(t, gateway(1000, 7)), parse(t, gateway(3000, 7.6)))
	require.NoError(t, err)
	require.InDelta(t, 2200, s.Requests.Count, 0)
	require.InDelta(t, (2000*0.002+200*0.04)/2200, s.Requests.Mean, 1e-9)
	require.InDelta(t, 0.001+0.0015*1100/2000, s.Requests.Median, 1e-9)
	require.InDelta(t, 0.025+0.025*(2090.0-2000)/200, s.Requests.P95, 1e-9)
	require.InDelta(t, 0.6/12, s.CPU, 1e-9, "cores while a request is in service, without the streams")
}

// TestWhatIsWrittenIsAScenario puts what is written into one.
func TestWhatIsWrittenIsAScenario(t *testing.T) {
	s, err := measure.Between(parse(t, gateway(1000, 7)), parse(t, gateway(3000, 7.6)))
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, s.WriteWorkload(&out, "captions/gateway-service"))
	read, err := scenario.Parse("measured.yaml", []byte("workloads:\n"+out.String()+"      load: {shape: steady, rate: 5}\n"))
	require.NoError(t, err, out.String())
	w := read.Workloads[0]
	require.Equal(t, "captions/gateway-service", w.Deployment)
	require.InDelta(t, 0.05, float64(w.Requests.CPU), 1e-9)
	require.Equal(t, "1.8ms", w.Requests.Service.Median.String())
	require.Equal(t, "36ms", w.Requests.Service.P95.String())
	require.InDelta(t, 50<<20, float64(w.Memory), 0)
}

func TestTasksOfAWorker(t *testing.T) {
	worker := func(transcribed int) string {
		return fmt.Sprintf(`# TYPE captions_task_duration_seconds histogram
captions_task_duration_seconds_bucket{kind="transcribe",engine="vosk",outcome="done",le="12.8"} %d
captions_task_duration_seconds_bucket{kind="transcribe",engine="vosk",outcome="done",le="25.6"} %[1]d
captions_task_duration_seconds_bucket{kind="transcribe",engine="vosk",outcome="done",le="+Inf"} %[1]d
captions_task_duration_seconds_sum{kind="transcribe",engine="vosk",outcome="done"} %d
captions_task_duration_seconds_count{kind="transcribe",engine="vosk",outcome="done"} %[1]d
captions_task_duration_seconds_bucket{kind="transcribe",engine="vosk",outcome="failed",le="+Inf"} %[1]d
captions_task_duration_seconds_sum{kind="transcribe",engine="vosk",outcome="failed"} 0
captions_task_duration_seconds_count{kind="transcribe",engine="vosk",outcome="failed"} %[1]d
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total %[1]d
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 8.4e+07
# TYPE captions_tasks_running gauge
captions_tasks_running 2
# TYPE captions_children_cpu_seconds_total counter
captions_children_cpu_seconds_total %[3]d
# TYPE captions_children_resident_memory_bytes gauge
captions_children_resident_memory_bytes 2.097152e+08
`, transcribed, transcribed*10, transcribed*8)
	}
	s, err := measure.Between(parse(t, worker(0)), parse(t, worker(40)))
	require.NoError(t, err)
	require.InDelta(t, 40, s.Tasks["transcribe"].Count, 0)
	require.InDelta(t, 0.9, s.CPU, 1e-9, "of the process and of the programs that it runs")
	require.InDelta(t, 100<<20, s.TaskMemory, 0)
	var out strings.Builder
	require.NoError(t, s.WriteWorkload(&out, "captions/caption-worker"))
	require.Contains(t, out.String(), "segment: {median: 6.4s, p95: 12s} # 40 tasks")
	read, err := scenario.Parse("measured.yaml", []byte("workloads:\n"+out.String()+"      load: {shape: steady, rate: 5}\n"))
	require.NoError(t, err, out.String())
	require.InDelta(t, 0.9, float64(read.Workloads[0].Jobs.CPU), 1e-9)
	require.InDelta(t, 100<<20, float64(read.Workloads[0].Jobs.Memory), 0)
}

func TestWhatCannotBeMeasuredIsSaid(t *testing.T) {
	_, err := measure.Between(parse(t, gateway(1000, 7)), parse(t, gateway(1000, 7)))
	require.ErrorContains(t, err, "captions load")
	_, err = measure.Between(parse(t, gateway(1000, 7)), parse(t, gateway(10, 1)))
	require.ErrorContains(t, err, "measure again")
	_, err = measure.Parse(strings.NewReader("<html>"))
	require.ErrorContains(t, err, "not metrics of Prometheus")
	nowhere := httptest.NewServer(http.NotFoundHandler())
	defer nowhere.Close()
	_, err = measure.Fetch(t.Context(), nowhere.URL)
	require.ErrorContains(t, err, "404")
}
