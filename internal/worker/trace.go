package worker

import (
	"context"
	"io"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/telemetry"
)

// tracedObjects makes a span of each call. What is read from an object after Get has returned is part of the caller's span.
type tracedObjects struct{ Objects }

func (t tracedObjects) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, contentType string) error {
	ctx, span := telemetry.Span(ctx, "s3 put", trace.SpanKindClient, attribute.Int64("captions.bytes", size))
	err := t.Objects.Put(ctx, key, body, size, contentType)
	telemetry.End(span, err)
	return err
}

func (t tracedObjects) Get(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	ctx, span := telemetry.Span(ctx, "s3 get", trace.SpanKindClient)
	body, size, err := t.Objects.Get(ctx, key)
	telemetry.End(span, err)
	return body, size, err
}

func (t tracedObjects) Download(ctx context.Context, key, path string) error {
	ctx, span := telemetry.Span(ctx, "s3 download", trace.SpanKindClient)
	err := t.Objects.Download(ctx, key, path)
	telemetry.End(span, err)
	return err
}

func (t tracedObjects) DeletePrefix(ctx context.Context, prefix string) error {
	ctx, span := telemetry.Span(ctx, "s3 delete", trace.SpanKindClient)
	err := t.Objects.DeletePrefix(ctx, prefix)
	telemetry.End(span, err)
	return err
}

// listen runs an engine in a span.
func listen(ctx context.Context, engine speech.Recognizer, a speech.Audio, r speech.Request) (speech.Result, error) {
	ctx, span := telemetry.Span(ctx, "engine "+engine.Capabilities().Name, trace.SpanKindClient,
		attribute.Float64("captions.audio_seconds", a.Duration.Seconds()))
	res, err := engine.Recognize(ctx, a, r)
	telemetry.End(span, err)
	return res, err
}
