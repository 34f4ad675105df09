package worker

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"
)

// The trace of the request that a job began with goes through the queue to its last task.
func TestTraceFollowsTheJob(t *testing.T) {
	f := newFixture(t)
	f.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	j := f.job(sound(t, 25))
	recorder := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	running := atomic.Int64{}
	f.w.Busy = func(n int) { running.Add(int64(n)) }
	stop := f.start()
	j = f.until(j.ID, ended)
	stop(time.Minute)
	otel.SetTracerProvider(noop.NewTracerProvider())
	f.checkDone(j)
	require.Zero(t, running.Load(), "what has begun has ended")

	tasks, calls := map[string]int{}, map[string]int{}
	byID := map[string]string{}
	for _, s := range recorder.Ended() {
		byID[s.SpanContext().SpanID().String()] = s.Name()
	}
	for _, s := range recorder.Ended() {
		require.Equal(t, "0af7651916cd43dd8448eb211c80319c", s.SpanContext().TraceID().String())
		if s.Parent().SpanID().String() == "b7ad6b7169203331" {
			tasks[s.Name()]++
			continue
		}
		require.Contains(t, []string{"task prepare", "task transcribe", "task assemble"}, byID[s.Parent().SpanID().String()])
		calls[s.Name()]++
	}
	require.Equal(t, 1, tasks["task prepare"])
	require.Equal(t, f.engine.total, tasks["task transcribe"])
	require.Equal(t, 1, tasks["task assemble"])
	require.Equal(t, f.engine.total, calls["engine stub"])
	require.Equal(t, 1, calls["s3 download"])
	require.NotZero(t, calls["s3 put"])
	require.NotZero(t, calls["s3 get"])
	require.Equal(t, 1, calls["s3 delete"])
}
