package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/backend"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/captioning"
	"k8s-scalers/internal/client"
	"k8s-scalers/internal/config"
)

// journey is the way of one file to its captions. One of its writes to the store or the queue fails: either it does not happen, or it
// does and the answer is lost, as when the connection breaks in that moment. Whoever wrote cannot tell the two apart.
type journey struct {
	file    string
	fails   int // which write, from 1; 0 for none
	happens bool

	mu     sync.Mutex
	writes []string
}

// write does what one of the writes does, or not.
func (j *journey) write(name string, do func() error) error {
	j.mu.Lock()
	j.writes = append(j.writes, name)
	n := len(j.writes)
	j.mu.Unlock()
	if n != j.fails {
		return do()
	}
	if j.happens {
		if err := do(); err != nil {
			return err
		}
	}
	return caption.Errorf(caption.KindUnavailable, "It cannot be reached. Try again in a moment.")
}

// journeys tells from what is written whose journey it belongs to.
type journeys struct{ of sync.Map } // by name of the file, id of the video and id of the job

func (js *journeys) write(name, of string, do func() error) error {
	j, ok := js.of.Load(of)
	if !ok {
		return fmt.Errorf("the write %s is of no journey: %q", name, of)
	}
	return j.(*journey).write(name, do) //nolint:forcetypeassert // There is nothing else in it.
}

// also notes that another name stands for the same journey.
func (js *journeys) also(of, name string) {
	if j, ok := js.of.Load(of); ok {
		js.of.Store(name, j)
	}
}

type lossyStore struct {
	backend.Store
	js *journeys
}

func (s lossyStore) PutVideo(ctx context.Context, v caption.Video) error {
	s.js.also(v.Name, v.ID)
	return s.js.write("video", v.ID, func() error { return s.Store.PutVideo(ctx, v) })
}

func (s lossyStore) CreateJob(ctx context.Context, j caption.Job, key string) (stored caption.Job, created bool, err error) {
	s.js.also(j.VideoID, j.ID)
	err = s.js.write("new job", j.ID, func() error { stored, created, err = s.Store.CreateJob(ctx, j, key); return err })
	return stored, created, err
}

func (s lossyStore) UpdateJob(ctx context.Context, id string, change func(*caption.Job) error) (j caption.Job, err error) {
	err = s.js.write("job", id, func() error { j, err = s.Store.UpdateJob(ctx, id, change); return err })
	return j, err
}

func (s lossyStore) SaveSegment(ctx context.Context, id string, r caption.SegmentResult) (j caption.Job, first bool, err error) {
	err = s.js.write("segment", id, func() error { j, first, err = s.Store.SaveSegment(ctx, id, r); return err })
	return j, first, err
}

func (s lossyStore) SaveTranscript(ctx context.Context, t caption.Transcript) (stored caption.Transcript, err error) {
	err = s.js.write("transcript", t.JobID, func() error { stored, err = s.Store.SaveTranscript(ctx, t); return err })
	return stored, err
}

type lossyQueue struct {
	backend.TaskQueue
	js *journeys
}

func (q lossyQueue) Publish(ctx context.Context, tasks ...caption.Task) error {
	return q.js.write("publish", tasks[0].JobID, func() error { return q.TaskQueue.Publish(ctx, tasks...) })
}

func (q lossyQueue) Receive(ctx context.Context) (caption.Delivery, error) {
	d, err := q.TaskQueue.Receive(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // It is the queue's.
	}
	return lossyDelivery{d, q.js}, nil
}

type lossyDelivery struct {
	caption.Delivery
	js *journeys
}

func (d lossyDelivery) Ack(ctx context.Context) error {
	return d.js.write("ack", d.Task().JobID, func() error { return d.Delivery.Ack(ctx) })
}

// newLossy starts the platform with js between it and its store and queue, and an engine that hears one word in every segment. It
// returns a client.
func newLossy(t *testing.T, js *journeys) *client.Client {
	t.Helper()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"text":"","language":"english","words":[{"word":"word","start":1,"end":1.5}]}`)
	}))
	t.Cleanup(engine.Close)
	var s config.Serve
	require.NoError(t, config.Load(&s))
	s.Addr, s.DataDir, s.Enabled, s.OpenAIURL = "127.0.0.1:0", t.TempDir(), []string{"openai"}, config.BaseURL(engine.URL)
	s.SegmentLength, s.Workers, s.Window, s.Visibility = 10*time.Second, 8, 2, 2*time.Second
	s.MaxOpenUploads, s.MaxActiveJobs, s.RequestsPerMinute = 1000, 0, -1
	// The S3 server goes into its folder, which is gone after the test.
	here, err := os.Getwd()
	require.NoError(t, err)
	t.Chdir(here)
	p, err := newBackends(t.Context(), s, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	p.store, p.queue = lossyStore{p.store, js}, lossyQueue{p.queue, js}
	require.NoError(t, p.services())
	ctx, stop := context.WithCancel(context.Background()) //nolint:usetesting // It must end in order.
	ended := make(chan error, 1)
	go func() { ended <- p.App.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	<-p.ready
	c := &client.Client{Base: p.url, Sessions: &client.MemorySessions{}}
	require.NoError(t, c.Login(t.Context(), "a@example.org", "correct horse battery", true))
	return c
}

// eventually tries as a patient user does: until it succeeds, or the server says that trying again does not help.
func eventually(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || caption.KindOf(err) != caption.KindUnavailable {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("there was no end to it: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// travel makes captions of the journey's file.
func (j *journey) travel(ctx context.Context, c *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var up client.Upload
	if err := eventually(ctx, func() (err error) { up, err = c.Upload(ctx, j.file, nil); return err }); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	var job captioning.JobView
	if err := eventually(ctx, func() (err error) { job, err = c.Caption(ctx, up.ID, up.ID, caption.Options{}); return err }); err != nil {
		return fmt.Errorf("ask for captions: %w", err)
	}
	for !job.State.Ended() {
		time.Sleep(50 * time.Millisecond)
		if err := eventually(ctx, func() (err error) { job, err = c.Job(ctx, job.ID); return err }); err != nil {
			return fmt.Errorf("job that is %s: %w", job.State, err)
		}
	}
	if job.State != caption.Processed {
		return fmt.Errorf("the job is %s: %+v", job.State, job.Reason)
	}
	var text strings.Builder
	if err := c.Result(ctx, job.ID, "txt", false, &text); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	if words := strings.Count(text.String(), "word"); words != *job.Segments {
		return fmt.Errorf("%d words of %d segments: %s", words, *job.Segments, text.String())
	}
	return nil
}

// TestWritesThatFail makes captions again and again, and each time another write to the store or to the queue fails, or has its answer
// lost. A user who tries again gets the captions, whole, whichever it was.
func TestWritesThatFail(t *testing.T) {
	film := filepath.Join(t.TempDir(), "film.m4a")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=frequency=300:sample_rate=16000:duration=34",
		"-c:a", "aac", "-b:a", "32k", film).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var js journeys
	c := newLossy(t, &js)
	begin := func(fails int, happens bool) *journey {
		j := &journey{file: fmt.Sprintf("%s.%d.%v.m4a", film, fails, happens), fails: fails, happens: happens}
		require.NoError(t, os.Link(film, j.file))
		js.of.Store(filepath.Base(j.file), j)
		return j
	}
	whole := begin(0, false)
	require.NoError(t, whole.travel(t.Context(), c))
	for _, name := range []string{"video", "new job", "job", "publish", "segment", "transcript", "ack"} {
		require.Contains(t, whole.writes, name)
	}
	var wg sync.WaitGroup
	for n, name := range whole.writes {
		for _, happens := range []bool{false, true} {
			j := begin(n+1, happens)
			wg.Go(func() {
				err := j.travel(t.Context(), c)
				j.mu.Lock()
				defer j.mu.Unlock()
				if err != nil || len(j.writes) <= n {
					t.Errorf("write %d, %s, happens: %v: %v; of the writes %q", n+1, name, happens, err, j.writes)
				}
			})
		}
	}
	wg.Wait()
}
