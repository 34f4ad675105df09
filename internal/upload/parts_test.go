package upload

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func videoOf(size, partSize int64) caption.Video {
	return caption.Video{Size: size, PartSize: partSize}
}

func TestCheckParts(t *testing.T) {
	v := videoOf(250, 100)
	part := func(n int, size int64) caption.Part { return caption.Part{Number: n, Size: size} }
	many := videoOf(10_000, 100)
	for name, c := range map[string]struct {
		v      caption.Video
		parts  []caption.Part
		code   string
		detail string
	}{
		"all":         {v, []caption.Part{part(1, 100), part(2, 100), part(3, 50)}, "", ""},
		"none":        {v, nil, "parts_missing", "3 of 3 parts are missing or have the wrong size: 1, 2, 3."},
		"one missing": {v, []caption.Part{part(1, 100), part(3, 50)}, "parts_missing", "1 of 3 parts are missing or have the wrong size: 2."},
		"short":       {v, []caption.Part{part(1, 99), part(2, 100), part(3, 50)}, "parts_missing", ": 1."},
		"long end":    {v, []caption.Part{part(1, 100), part(2, 100), part(3, 51)}, "parts_missing", ": 3."},
		"beyond":      {v, []caption.Part{part(1, 100), part(2, 100), part(3, 50), part(4, 1)}, "parts_unexpected", ""},
		"very many":   {many, nil, "parts_missing", "19, 20 and 80 more."},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkParts(c.v, c.parts)
			require.Equal(t, c.code, caption.CodeOf(err))
			if c.detail != "" {
				require.ErrorContains(t, err, c.detail)
			}
		})
	}
}

func TestLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l locks
		unlock, err := l.lock(t.Context(), "a")
		require.NoError(t, err)
		other, err := l.lock(t.Context(), "b")
		require.NoError(t, err)
		other()

		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = l.lock(impatient, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)

		got := make(chan struct{})
		go func() {
			unlock, err := l.lock(t.Context(), "a")
			if err == nil {
				unlock()
			}
			close(got)
		}()
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("two hold the same lock")
		default:
		}
		unlock()
		<-got
		require.Empty(t, l.named)
	})
}
