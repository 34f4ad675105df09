package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/telemetry"
)

func TestLinesCarryTheAttributesOfTheirContext(t *testing.T) {
	var b bytes.Buffer
	log, err := telemetry.NewLogger(&b, "", "json")
	require.NoError(t, err)
	ctx := telemetry.WithAttrs(t.Context(), slog.String("request_id", "r1"), slog.String("job_id", "j1"))
	inner := telemetry.WithAttrs(ctx, slog.String("job_id", "j2"))
	line := func() (l map[string]any) {
		require.NoError(t, json.Unmarshal(b.Bytes(), &l))
		b.Reset()
		return l
	}

	log.With("service", "test").InfoContext(inner, "hello")
	l := line()
	require.Equal(t, "test", l["service"])
	require.Equal(t, "r1", l["request_id"])
	require.Equal(t, "j2", l["job_id"])

	log.InfoContext(ctx, "hello")
	require.Equal(t, "j1", line()["job_id"], "the outer context is as it was")

	log.Info("hello")
	require.NotContains(t, line(), "request_id")

	log.DebugContext(ctx, "hidden")
	require.Zero(t, b.Len())
}

func TestFormats(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log")) // a file that is no terminal
	require.NoError(t, err)
	log, err := telemetry.NewLogger(f, "debug", "auto")
	require.NoError(t, err)
	log.Debug("hello")
	require.NoError(t, f.Close())
	content, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.True(t, json.Valid(content))

	var b bytes.Buffer
	log, err = telemetry.NewLogger(&b, "warn", "text")
	require.NoError(t, err)
	log.Info("hidden")
	log.Warn("shown")
	require.Contains(t, b.String(), "level=WARN msg=shown")
	require.NotContains(t, b.String(), "hidden")

	_, err = telemetry.NewLogger(&b, "loud", "")
	require.ErrorContains(t, err, "choose debug, info, warn or error")
	require.Equal(t, caption.KindInvalid, caption.KindOf(err))
	_, err = telemetry.NewLogger(&b, "", "xml")
	require.ErrorContains(t, err, "choose auto, text or json")
}

func TestRegistry(t *testing.T) {
	reg := telemetry.NewRegistry("captions", "v1.2.3")
	families, err := reg.Gather()
	require.NoError(t, err)
	found := map[string]bool{}
	for _, f := range families {
		found[f.GetName()] = true
		if f.GetName() == "captions_build_info" {
			labels := map[string]string{}
			for _, p := range f.GetMetric()[0].GetLabel() {
				labels[p.GetName()] = p.GetValue()
			}
			require.Equal(t, "captions", labels["program"])
			require.Equal(t, "v1.2.3", labels["version"])
			require.NotEmpty(t, labels["go"])
		}
	}
	require.True(t, found["captions_build_info"])
	require.True(t, found["go_goroutines"])
}

func TestRegisterSharesCollectors(t *testing.T) {
	reg := prometheus.NewRegistry()
	counter := func(labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "things", Help: "Things."}, labels)
	}
	first := telemetry.Register(reg, counter("a"))
	require.Same(t, first, telemetry.Register(reg, counter("a")))
	require.Panics(t, func() { telemetry.Register(reg, counter("b")) })
	alone := counter("a")
	require.Same(t, alone, telemetry.Register(nil, alone))
}
