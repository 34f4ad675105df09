package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"k8s-scalers/internal/telemetry"
)

// receiver takes what an OpenTelemetry exporter sends over HTTP, as the collector does.
type receiver struct {
	URL string

	mu        sync.Mutex
	spans     []*otlp.Span
	resources map[string]string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{resources: map[string]string{}}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.URL = s.URL
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	content, err := io.ReadAll(body)
	var sent collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(content, &sent)
	}
	if err != nil || req.Method != http.MethodPost || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "no traces in protobuf", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range sent.GetResourceSpans() {
		for _, a := range resource.GetResource().GetAttributes() {
			r.resources[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, scope := range resource.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	answer, err := proto.Marshal(&collector.ExportTraceServiceResponse{})
	if err == nil {
		_, _ = w.Write(answer)
	}
}

// withoutTracing undoes what a test has set up for the process.
func withoutTracing(t *testing.T) {
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER"} {
		t.Setenv(name, "")
	}
}

func TestSpansAreExported(t *testing.T) {
	withoutTracing(t)
	r := newReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	stop, err := telemetry.StartTracing(t.Context(), "upload-service", "v1", slog.New(slog.DiscardHandler))
	require.NoError(t, err)

	// One process puts the trace on the queue, another goes on from there.
	ctx, first := telemetry.Span(t.Context(), "publish", trace.SpanKindProducer)
	carried := telemetry.Traceparent(ctx)
	require.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`, carried)
	ctx, second := telemetry.Span(telemetry.WithTraceparent(t.Context(), carried), "task", trace.SpanKindConsumer)
	var b bytes.Buffer
	log, err := telemetry.NewLogger(&b, "", "json")
	require.NoError(t, err)
	log.InfoContext(ctx, "working")
	require.Contains(t, b.String(), `"trace_id":"`+first.SpanContext().TraceID().String()+`"`)
	telemetry.End(second, errors.New("a secret text"))
	telemetry.End(first, nil)
	require.NoError(t, stop(t.Context()))

	r.mu.Lock()
	defer r.mu.Unlock()
	require.Equal(t, "upload-service", r.resources["service.name"])
	require.Equal(t, "v1", r.resources["service.version"])
	require.Equal(t, "test", r.resources["deployment.environment.name"])
	require.Len(t, r.spans, 2)
	task, publish := r.spans[0], r.spans[1]
	require.Equal(t, []string{"task", "publish"}, []string{task.GetName(), publish.GetName()})
	require.Equal(t, publish.GetTraceId(), task.GetTraceId())
	require.Equal(t, publish.GetSpanId(), task.GetParentSpanId())
	require.Equal(t, otlp.Span_SPAN_KIND_CONSUMER, task.GetKind())
	require.Equal(t, otlp.Status_STATUS_CODE_ERROR, task.GetStatus().GetCode())
	require.NotContains(t, task.String(), "secret")
}

func TestNothingIsTracedUnasked(t *testing.T) {
	for _, env := range []map[string]string{
		{},
		{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:1"},
		{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:1"},
	} {
		withoutTracing(t)
		for k, v := range env {
			t.Setenv(k, v)
		}
		stop, err := telemetry.StartTracing(t.Context(), "captions", "v1", slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		ctx, span := telemetry.Span(t.Context(), "quiet", trace.SpanKindServer)
		require.False(t, span.IsRecording())
		require.Empty(t, telemetry.Traceparent(ctx))
		telemetry.End(span, nil)
		require.NoError(t, stop(t.Context()))
	}
}

// A collector that is away costs spans, and nothing else.
func TestCollectorAway(t *testing.T) {
	withoutTracing(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	stop, err := telemetry.StartTracing(t.Context(), "captions", "v1", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, span := telemetry.Span(t.Context(), "lost", trace.SpanKindServer)
	telemetry.End(span, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = stop(t.Context()) // It may tell of the loss.
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the process cannot end")
	}
}

func TestWrongSettingsOfTracing(t *testing.T) {
	withoutTracing(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "pigeon")
	_, err := telemetry.StartTracing(t.Context(), "captions", "v1", slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "OTEL_")
	require.ErrorContains(t, err, "pigeon")
}

func TestForeignTraceparents(t *testing.T) {
	for _, bad := range []string{"", "x", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"} {
		require.Empty(t, telemetry.Traceparent(telemetry.WithTraceparent(t.Context(), bad)), bad)
	}
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	require.Equal(t, good, telemetry.Traceparent(telemetry.WithTraceparent(t.Context(), good)))
}
