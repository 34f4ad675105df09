package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"k8s-scalers/internal/caption"
)

// traceSettings are the standard variables of which one must be set for traces to be made: without any, the SDK would send them
// to a collector on this machine.
var traceSettings = []string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}

// StartTracing makes the process record spans and export them as OpenTelemetry's standard variables say. Without them nothing is
// set up, and spans cost next to nothing. stop sends what has been recorded, and ends the exporter.
//
// The provider is OpenTelemetry's global one, so that libraries find it, too.
func StartTracing(ctx context.Context, service, version string, log *slog.Logger) (stop func(context.Context) error, err error) {
	wanted := false
	for _, name := range traceSettings {
		wanted = wanted || os.Getenv(name) != ""
	}
	if !wanted || os.Getenv("OTEL_SDK_DISABLED") == "true" || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return func(context.Context) error { return nil }, nil
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, badTracing(err)
	}
	// What the environment says about the service comes last, and so counts.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, errors.Join(badTracing(err), exporter.Shutdown(ctx))
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	otel.SetTracerProvider(provider)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("traces could not be exported", "error", err)
	}))
	return func(ctx context.Context) error {
		if err := provider.Shutdown(ctx); err != nil {
			return fmt.Errorf("export the last traces: %w", err)
		}
		return nil
	}, nil
}

func badTracing(err error) error {
	return caption.Errorf(caption.KindInvalid, "OpenTelemetry's variables (OTEL_…) cannot be used; OTEL_TRACES_EXPORTER is %q: %v.", os.Getenv("OTEL_TRACES_EXPORTER"), err).WithCode("bad_settings").WithCause(err)
}

// Span begins a span as a child of that of ctx. The caller ends it, by [End].
func Span(ctx context.Context, name string, kind trace.SpanKind, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	return otel.Tracer("k8s-scalers").Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
}

// End ends a span with what err says for programs. Its text stays in the log, where it is kept away from strangers.
func End(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		kind := string(caption.KindOf(err))
		if errors.Is(err, context.Canceled) {
			kind = "cancelled"
		}
		span.SetStatus(codes.Error, kind)
		span.SetAttributes(attribute.String("error.type", kind))
	}
	span.End()
}

// Traceparent returns the trace context of ctx in W3C's form, or "" where there is none.
func Traceparent(ctx context.Context) string {
	c := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, c)
	return c["traceparent"]
}

// WithTraceparent returns ctx with the trace context in W3C's form. What has another form is ignored.
func WithTraceparent(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}
