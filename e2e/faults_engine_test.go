//go:build faults

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// wordsPerCall is how many words the engine hears in each segment.
const wordsPerCall = 3

// countingEngine is a stand-in for an OpenAI-compatible server that takes a fixed time for a segment, whatever is said in it. No two
// of its answers have a word in common: so the words of a transcript tell which calls they are from.
type countingEngine struct {
	latency time.Duration
	calls   atomic.Int64
	broken  atomic.Bool // it refuses to work
	url     string
}

func newCountingEngine(t testing.TB, latency time.Duration) *countingEngine {
	e := &countingEngine{latency: latency}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	e.url = server.URL + "/v1"
	return e
}

func (e *countingEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseMultipartForm(4 << 20); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if e.broken.Load() {
		http.Error(w, `{"error":{"message":"out of order"}}`, http.StatusInternalServerError)
		return
	}
	call := e.calls.Add(1)
	select {
	case <-time.After(e.latency):
	case <-r.Context().Done():
		return
	}
	var words []map[string]any
	for i := range wordsPerCall {
		words = append(words, map[string]any{"word": fmt.Sprintf("c%dw%d", call, i), "start": float64(i), "end": float64(i) + 0.9})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"text": "", "language": "english", "words": words}) // The worker may be dead.
}
