package remote

import (
	"context"
	"errors"
	"io"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech"
)

// Retrying returns a recogniser that tries again what is worth it, for callers without a queue. A call is made at most so
// many times, with pauses of 1, 2, 4 … seconds, or as long as the service asks for.
func Retrying(r speech.Recognizer, attempts int) speech.Recognizer {
	return &retrying{r, attempts}
}

type retrying struct {
	speech.Recognizer
	attempts int
}

func (r *retrying) Recognize(ctx context.Context, a speech.Audio, q speech.Request) (speech.Result, error) {
	for attempt := 1; ; attempt++ {
		result, err := r.Recognizer.Recognize(ctx, a, q)
		e, ok := errors.AsType[*caption.Error](err)
		if !ok || e.Kind != caption.KindUnavailable && e.Kind != caption.KindRateLimited || attempt >= r.attempts || errors.Is(err, errClosed) {
			return result, err
		}
		select {
		case <-time.After(max(e.RetryAfter, time.Second<<min(attempt-1, 6))):
		case <-ctx.Done():
			return speech.Result{}, errors.Join(ctx.Err(), err)
		}
	}
}

// Close closes the recogniser, if it can be.
func (r *retrying) Close() error {
	if c, ok := r.Recognizer.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
