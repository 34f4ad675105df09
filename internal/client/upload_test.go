package client

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// TestAnUploadThatIsLostIsSentAnew talks to a stand-in of upload-service whose bucket has forgotten the first upload of a file.
func TestAnUploadThatIsLostIsSentAnew(t *testing.T) {
	const problem = `{"code":"upload_lost","detail":"The storage does not know this upload any more.","status":409}`
	deleted, sent := false, ""
	mux := http.NewServeMux()
	var s *httptest.Server
	mux.HandleFunc("GET /api/v1/uploads", func(w http.ResponseWriter, _ *http.Request) {
		if deleted {
			_, _ = io.WriteString(w, `{"uploads":[]}`)
		} else {
			_, _ = io.WriteString(w, `{"uploads":[{"id":"lost"}]}`)
		}
	})
	mux.HandleFunc("GET /api/v1/uploads/lost", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"lost","size":5,"part_size":8,"part_count":1,"parts":[{"number":1,"size":5}]}`)
	})
	mux.HandleFunc("POST /api/v1/uploads/lost/complete", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, problem)
	})
	mux.HandleFunc("DELETE /api/v1/uploads/lost", func(w http.ResponseWriter, _ *http.Request) {
		deleted = true
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /api/v1/uploads", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"new","size":5,"part_size":8,"part_count":1}`)
	})
	mux.HandleFunc("POST /api/v1/uploads/new/parts", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"parts":[{"url":"%s/part"}]}`, s.URL)
	})
	mux.HandleFunc("PUT /part", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // What is missing is seen below.
		sent = string(body)
	})
	mux.HandleFunc("POST /api/v1/uploads/new/complete", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"new","state":"complete"}`)
	})
	s = httptest.NewServer(mux)
	defer s.Close()
	path := filepath.Join(t.TempDir(), "talk.mp4")
	require.NoError(t, os.WriteFile(path, []byte("video"), 0o600))
	sessions := &MemorySessions{s: Session{Server: s.URL, AccessToken: "token", RefreshToken: "refresh", Expires: time.Now().Add(time.Hour)}}
	up, err := (&Client{Base: s.URL, Sessions: sessions}).Upload(t.Context(), path, nil)
	require.NoError(t, err)
	require.Equal(t, "complete", up.State)
	require.Equal(t, "video", sent)
}
