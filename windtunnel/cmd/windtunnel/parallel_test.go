package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/windtunneltest"
)

// programVariable makes the test's program the real one.
const programVariable = "TEST_IS_WINDTUNNEL"

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const day = "../../internal/engine/testdata/day.yaml"

var fixedAndScaled = []windtunnel.Policy{
	{Name: "fixed", Manifests: []string{"../../internal/engine/testdata/fixed"}},
	{Name: "scaled", Manifests: []string{"../../internal/engine/testdata/web"}},
}

// begun is a comparison of fixedAndScaled whose runs are processes.
func begun(t *testing.T, scenario string, duration time.Duration, seeds uint64, stopping *stop) (runs *parallel, said func() string) {
	t.Helper()
	t.Setenv(programVariable, "1")
	program, err := os.Executable()
	require.NoError(t, err)
	var out strings.Builder
	progress := tell(func(int64) {}, func() {})
	runs = &parallel{scenario: scenario, duration: duration, program: program, stopping: stopping, warned: warnOnce(&out), progress: progress}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() {
		cancel()
		runs.running.Wait()
		progress.end()
	})
	runs.begin(ctx, fixedAndScaled, seeds)
	return runs, func() string {
		runs.running.Wait()
		return out.String()
	}
}

// TestRunsBesideEachOtherComeToTheSame as runs in one process, one after the other.
func TestRunsBesideEachOtherComeToTheSame(t *testing.T) {
	runs, said := begun(t, day, time.Hour, 2, newStop())
	got, err := windtunnel.CompareWith(fixedAndScaled, 2, windtunnel.Options{}, runs.result)
	require.NoError(t, err)
	require.Empty(t, said())
	require.Equal(t, int64(4*time.Hour), runs.passed.Load(), "progress")
	want := windtunneltest.Compare(t, day, fixedAndScaled, 2, windtunnel.Options{Duration: time.Hour})
	require.Equal(t, table(t, want), table(t, got))
}

func table(t *testing.T, c *report.Comparison) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, c.WriteSummary(&out))
	return out.String()
}

// TestAStoppedComparisonStopsItsRuns: they end long before their months are over, and say that they were interrupted.
func TestAStoppedComparisonStopsItsRuns(t *testing.T) {
	stopping := newStop()
	runs, _ := begun(t, day, 90*24*time.Hour, 1, stopping)
	require.Eventually(t, func() bool { return runs.passed.Load() > 0 }, time.Minute, 10*time.Millisecond, "the first has begun")
	stopping.ask()
	first, err := runs.result(windtunnel.Options{Policy: "fixed", Seed: 1})
	require.NoError(t, err)
	require.True(t, first.Interrupted)
	_, err = windtunnel.CompareWith(fixedAndScaled, 1, windtunnel.Options{}, func(windtunnel.Options) (*report.Result, error) { return first, nil })
	require.ErrorContains(t, err, "nothing to compare")
}

// TestWhatFailsInARunIsSaid with the words of the run.
func TestWhatFailsInARunIsSaid(t *testing.T) {
	runs, _ := begun(t, "nowhere.yaml", 0, 1, newStop())
	_, err := windtunnel.CompareWith(fixedAndScaled, 1, windtunnel.Options{}, runs.result)
	require.ErrorContains(t, err, "policy fixed: the run with seed 1 failed")
	require.ErrorContains(t, err, "nowhere.yaml")
}

// TestARunSaysWarningsProgressAndTheRest on its standard error, from which a comparison takes them apart.
func TestARunSaysWarningsProgressAndTheRest(t *testing.T) {
	var out strings.Builder
	p := &parallel{warned: warnOnce(&out), progress: &progress{}}
	for range 2 {
		said := p.listen(strings.NewReader("warning: it can never work\nprogress: 60\nprogress: 90\nit broke"))
		require.Len(t, said, 1)
		require.EqualError(t, said[0], "it broke")
	}
	require.Equal(t, "warning: it can never work\n", out.String(), "once, however many runs find it")
	require.EqualValues(t, 180, p.passed.Load())
}
