package fanout

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func TestNothingIsLeft(t *testing.T) {
	h := NewHub()
	for i := range 100 {
		_, cancel, err := h.Subscribe(t.Context(), fmt.Sprint("job", i))
		require.NoError(t, err)
		defer cancel()
		for range 2 * buffer {
			h.Send(caption.Event{Job: caption.Job{ID: fmt.Sprint("job", i)}})
		}
	}
	require.Empty(t, h.jobs, "those that were too slow are gone")
}

func TestDropAll(t *testing.T) {
	h := NewHub()
	var all []<-chan *caption.Event
	for i := range 100 {
		events, cancel, err := h.Subscribe(t.Context(), fmt.Sprint("job", i%7))
		require.NoError(t, err)
		defer cancel()
		all = append(all, events)
	}
	h.Send(caption.Event{Job: caption.Job{ID: "job0"}})
	h.DropAll()
	for i, events := range all {
		if i%7 == 0 {
			_, ok := <-events
			require.True(t, ok, "what was sent before is not lost")
		}
		_, ok := <-events
		require.False(t, ok)
	}
	require.Empty(t, h.jobs)
	events, cancel, err := h.Subscribe(t.Context(), "job0")
	require.NoError(t, err)
	defer cancel()
	h.Send(caption.Event{Job: caption.Job{ID: "job0"}})
	require.Equal(t, "job0", (<-events).Job.ID)
}

// TestSubscriberIsSmall measures what a subscriber costs here; a connection and its goroutines come on top.
func TestSubscriberIsSmall(t *testing.T) {
	const n = 2000
	h := NewHub()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		_, cancel, err := h.Subscribe(t.Context(), fmt.Sprint("job", i))
		require.NoError(t, err)
		defer cancel()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%d bytes a subscriber", each)
	require.Less(t, each, 20_000)
}

func BenchmarkSendTo2000(b *testing.B) {
	h := NewHub()
	var all []<-chan *caption.Event
	for range 2000 {
		events, cancel, err := h.Subscribe(b.Context(), "job")
		require.NoError(b, err)
		defer cancel()
		all = append(all, events)
	}
	for b.Loop() {
		h.Send(caption.Event{Job: caption.Job{ID: "job"}})
		for _, events := range all {
			<-events
		}
	}
}
