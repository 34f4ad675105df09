package telemetry_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/telemetry"
)

// What a program computed is counted while it runs, and stays when it has ended.
func TestWhatChildrenCost(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(telemetry.NewChildren())
	told := func(name string) float64 {
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == name {
				return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		require.Fail(t, "not told", name)
		return 0
	}
	const cpu, memory = "captions_children_cpu_seconds_total", "captions_children_resident_memory_bytes"
	before := told(cpu)

	busy := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
	require.NoError(t, busy.Start())
	require.Eventually(t, func() bool { return told(cpu) >= before+0.1 }, 30*time.Second, 10*time.Millisecond, "of one that runs")
	require.Positive(t, told(memory))
	require.NoError(t, busy.Process.Kill())
	require.Error(t, busy.Wait())
	require.GreaterOrEqual(t, told(cpu), before+0.1, "of one that has ended")
}
