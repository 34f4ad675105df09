package remote_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/remote"
)

// failing is a recogniser that gives one error after the other, and then words.
type failing struct {
	errs  []error
	calls int
}

func (f *failing) Capabilities() speech.Capabilities {
	return speech.Capabilities{Name: "failing", Parallelism: 1}
}

func (f *failing) Recognize(context.Context, speech.Audio, speech.Request) (speech.Result, error) {
	f.calls++
	if f.calls <= len(f.errs) {
		return speech.Result{}, f.errs[f.calls-1]
	}
	return speech.Result{Language: "en"}, nil
}

func TestRetrying(t *testing.T) {
	busy := caption.Errorf(caption.KindUnavailable, "busy")
	limited := &caption.Error{Kind: caption.KindRateLimited, Message: "later", RetryAfter: 20 * time.Second}
	invalid := caption.Errorf(caption.KindInvalid, "never")
	for name, c := range map[string]struct {
		errs   []error
		calls  int
		paused time.Duration
		err    error
	}{
		"works":             {nil, 1, 0, nil},
		"works later":       {[]error{busy, limited, busy}, 4, 25 * time.Second, nil},
		"never works":       {[]error{busy, busy, busy, busy, busy}, 4, 7 * time.Second, busy},
		"is wrong":          {[]error{busy, invalid}, 2, time.Second, invalid},
		"is not understood": {[]error{errors.ErrUnsupported}, 1, 0, errors.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &failing{errs: c.errs}
				start := time.Now()
				result, err := remote.Retrying(f, 4).Recognize(t.Context(), speech.AudioOf(nil), speech.Request{})
				require.ErrorIs(t, err, c.err)
				require.Equal(t, c.calls, f.calls)
				require.Equal(t, c.paused, time.Since(start))
				if c.err == nil {
					require.Equal(t, "en", result.Language)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := remote.Retrying(&failing{errs: []error{limited, limited}}, 4).Recognize(ctx, speech.AudioOf(nil), speech.Request{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, limited)
	})
}
