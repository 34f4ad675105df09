package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server, and returns its address. Handlers end when the test does.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func sound(seconds int) speech.Audio {
	return speech.AudioOf(bytes.Repeat([]byte{1, 2}, seconds*pcm.Rate))
}

func TestPost(t *testing.T) {
	var got []byte
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		if r.ContentLength != int64(len(got)) || r.Header.Get("Authorization") != "Token "+secret {
			w.WriteHeader(http.StatusBadRequest)
		}
		w.Header().Set("X-Test", "yes")
		_, _ = w.Write([]byte("answer"))
	})
	var seen []byte
	c := newTestClient(t, Config{})
	answer, err := c.Post(t.Context(), sound(2), Call{
		URL: url, Header: http.Header{"Authorization": {"Token " + secret}}, Before: []byte("before"), After: []byte("after"),
		Tap: func(b []byte, restart bool) {
			if restart {
				seen = nil
			}
			seen = append(seen, b...)
		},
	})
	require.NoError(t, err)
	require.Equal(t, "answer", string(answer.Body))
	require.Equal(t, "yes", answer.Header.Get("X-Test"))
	require.True(t, answer.Sent)
	samples := bytes.Repeat([]byte{1, 2}, 2*pcm.Rate)
	require.True(t, bytes.Equal(got, []byte("before"+string(pcm.Header(int64(len(samples))))+string(samples)+"after")))
	require.True(t, bytes.Equal(samples, seen))
}

// The sound is longer than any memory that the test has: it must pass by.
func TestPostStreams(t *testing.T) {
	const size = 1 << 30
	var received atomic.Int64
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		received.Store(n)
	})
	c := newTestClient(t, Config{})
	_, err := c.Post(t.Context(), speech.Audio{
		Open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(pcm.Header(size)), io.LimitReader(zeros{}, size))), nil
		},
		Size: pcm.WAVSize(size), Duration: pcm.Duration(size),
	}, Call{URL: url})
	require.NoError(t, err)
	require.Equal(t, pcm.WAVSize(size), received.Load())
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestPostFails(t *testing.T) {
	var done chan struct{} // a server does not notice the end of a connection that it does not read
	hang := func() { <-done }
	for name, c := range map[string]struct {
		serve func(w http.ResponseWriter, r *http.Request)
		code  string
	}{
		"does not read": {func(http.ResponseWriter, *http.Request) { hang() }, CodeUnreachable},
		"does not answer": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			hang()
		}, CodeUnreachable},
		"stops in its answer": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = w.Write([]byte("begin"))
			_ = http.NewResponseController(w).Flush()
			hang()
		}, CodeUnreachable},
		"cuts off its answer": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("begin"))
		}, CodeUnreachable},
		"closes": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, CodeUnreachable},
		"answers without end": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, CodeFailed},
	} {
		t.Run(name, func(t *testing.T) {
			client := newTestClient(t, Config{Stall: 200 * time.Millisecond, Wait: 200 * time.Millisecond})
			address := serve(t, c.serve)
			done = make(chan struct{})
			t.Cleanup(func() { close(done) })
			_, err := client.Post(t.Context(), sound(600), Call{URL: address + "/?keyterm=private"})
			require.Equal(t, caption.KindUnavailable, caption.KindOf(err))
			require.Equal(t, c.code, caption.CodeOf(err), "%v", err)
			require.NotContains(t, err.Error(), "private")
		})
	}
	client := newTestClient(t, Config{})
	_, err := client.Post(t.Context(), sound(1), Call{URL: "http://127.0.0.1:1/?keyterm=private"})
	require.Equal(t, CodeUnreachable, caption.CodeOf(err))
	require.NotContains(t, err.Error(), "private")
}

// A server that is slow, but not silent, is waited for.
func TestPostSlow(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for range 10 {
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(60 * time.Millisecond)
		}
	})
	answer, err := newTestClient(t, Config{Stall: 500 * time.Millisecond}).Post(t.Context(), sound(1), Call{URL: url})
	require.NoError(t, err)
	require.Equal(t, "xxxxxxxxxx", string(answer.Body))
}

func TestRefusedEarly(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write(bytes.Repeat([]byte("x"), 2*maxRefusal))
	})
	c := newTestClient(t, Config{})
	for range 20 {
		answer, err := c.Post(t.Context(), sound(600), Call{URL: url})
		if err != nil { // the connection was closed before the answer was read
			require.Equal(t, CodeUnreachable, caption.CodeOf(err))
			continue
		}
		require.Equal(t, http.StatusTooManyRequests, answer.Status)
		require.LessOrEqual(t, len(answer.Body), maxRefusal+1)
		require.False(t, answer.Sent)
		return
	}
	t.Fatal("no answer was ever seen")
}

func TestNoRedirects(t *testing.T) {
	target := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the sound was sent elsewhere") })
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		http.Redirect(w, r, target, http.StatusTemporaryRedirect)
	})
	answer, err := newTestClient(t, Config{}).Post(t.Context(), sound(1), Call{URL: url})
	require.NoError(t, err)
	require.Equal(t, http.StatusTemporaryRedirect, answer.Status)
}

func TestAudioFails(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	c := newTestClient(t, Config{})
	broken := errors.New("the disk is on fire")
	good := sound(1)
	audio := func(r io.Reader) speech.Audio {
		return speech.Audio{Open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }, Size: good.Size, Duration: good.Duration}
	}
	_, err := c.Post(t.Context(), audio(io.MultiReader(bytes.NewReader(pcm.Header(32000)), iotest.ErrReader(broken))), Call{URL: url})
	require.ErrorIs(t, err, broken)
	require.Equal(t, caption.KindInternal, caption.KindOf(err), "it is not the service's fault")

	_, err = c.Post(t.Context(), audio(bytes.NewReader(append(pcm.Header(32000), 1, 2))), Call{URL: url})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	_, err = c.Post(t.Context(), audio(strings.NewReader("no sound")), Call{URL: url})
	require.Equal(t, "audio_unreadable", caption.CodeOf(err))

	answer, err := c.Post(t.Context(), audio(io.MultiReader(pcm.NewWAV(make([]byte, 32000)), iotest.ErrReader(broken))), Call{URL: url})
	require.NoError(t, err, "what follows the sound is not read")
	require.Equal(t, http.StatusOK, answer.Status)

	_, err = c.Post(t.Context(), speech.AudioOf(make([]byte, 3000)), Call{URL: url})
	require.ErrorIs(t, err, ErrTooShort)
}

func TestConcurrency(t *testing.T) {
	const calls, allowed = 12, 3
	var running, most atomic.Int64
	release := make(chan struct{})
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n := running.Add(1)
		defer running.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-release
	})
	c := newTestClient(t, Config{Calls: allowed})
	var group sync.WaitGroup
	errs := make([]error, calls)
	for i := range calls {
		group.Go(func() { _, errs[i] = c.Post(t.Context(), sound(1), Call{URL: url}) })
	}
	require.Eventually(t, func() bool { return running.Load() == allowed }, 10*time.Second, time.Millisecond)

	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := c.Post(ctx, sound(1), Call{URL: url})
		waiting <- err
	}()
	cancel()
	require.ErrorIs(t, <-waiting, context.Canceled, "a call that waits for its turn")

	close(release)
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	require.EqualValues(t, allowed, most.Load())
}

func TestClose(t *testing.T) {
	arrived := make(chan struct{}, 2)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	c := newTestClient(t, Config{Calls: 1})
	failed := make(chan error)
	for range 2 { // one at work, one that waits for its turn
		go func() {
			_, err := c.Post(t.Context(), sound(1), Call{URL: url})
			failed <- err
		}()
	}
	<-arrived
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	for range 2 {
		require.Equal(t, "engine_closed", caption.CodeOf(<-failed))
	}
	require.NoError(t, <-closed)
	_, err := c.Post(t.Context(), sound(1), Call{URL: url})
	require.Equal(t, "engine_closed", caption.CodeOf(err))
}
