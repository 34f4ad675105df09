package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/term"

	"k8s-scalers/internal/caption"
)

// The formats of a log.
const (
	FormatAuto = "auto" // text on a terminal, JSON elsewhere
	FormatText = "text"
	FormatJSON = "json"
)

// NewLogger returns a logger that writes to w. Level is debug, info, warn or error, and empty means info; format is one
// of the Format constants, and empty means auto. Each line carries the attributes of its context, see [WithAttrs], and its trace_id.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if level != "" {
		if err := l.UnmarshalText([]byte(level)); err != nil {
			return nil, caption.Errorf(caption.KindInvalid, "The log level %q does not exist: choose debug, info, warn or error.", level).WithCause(err)
		}
	}
	if format == "" || format == FormatAuto {
		format = FormatJSON
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			format = FormatText
		}
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case FormatText:
		return slog.New(contextHandler{slog.NewTextHandler(w, o)}), nil
	case FormatJSON:
		return slog.New(contextHandler{slog.NewJSONHandler(w, o)}), nil
	}
	return nil, caption.Errorf(caption.KindInvalid, "The log format %q does not exist: choose %s, %s or %s.", format, FormatAuto, FormatText, FormatJSON)
}

type attrsKey struct{}

// WithAttrs returns a context whose log lines carry attrs, such as request_id or job_id, in addition to those that ctx
// has. An attribute replaces one of the same key.
func WithAttrs(ctx context.Context, attrs ...slog.Attr) context.Context {
	old, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	all := make([]slog.Attr, 0, len(old)+len(attrs))
	for _, a := range old {
		if !slices.ContainsFunc(attrs, func(b slog.Attr) bool { return a.Key == b.Key }) {
			all = append(all, a)
		}
	}
	return context.WithValue(ctx, attrsKey{}, append(all, attrs...))
}

// contextHandler adds the attributes of the context to each record.
type contextHandler struct{ next slog.Handler }

func (h contextHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.next.Enabled(ctx, l)
}

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	at := trace.SpanContextFromContext(ctx)
	if len(attrs) > 0 || at.IsValid() {
		r = r.Clone()
		r.AddAttrs(attrs...)
	}
	if at.IsValid() {
		r.AddAttrs(slog.String("trace_id", at.TraceID().String()))
	}
	if err := h.next.Handle(ctx, r); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.next.WithAttrs(attrs)}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.next.WithGroup(name)}
}
