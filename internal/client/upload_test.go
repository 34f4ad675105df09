package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func TestAPartThatStandsStillIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		length int
		reads  bool
	}{
		"nobody reads":   {64 << 20, false},
		"nobody answers": {10, true},
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{})
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if c.reads {
					_, _ = io.Copy(io.Discard, r.Body) // It ends with the request.
				}
				<-ended
			}))
			defer s.Close()
			defer close(ended)
			part := io.NewSectionReader(strings.NewReader(strings.Repeat("x", c.length)), 0, int64(c.length))
			var sent int64
			err := (&Client{Stall: 100 * time.Millisecond}).put(t.Context(), s.URL, part, func(n int64) { sent += n })
			require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "so it is tried again: %v", err)
			require.Zero(t, sent, "what was not stored does not count")
		})
	}
}
