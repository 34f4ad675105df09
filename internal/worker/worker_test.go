package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/events/memevents"
	"k8s-scalers/internal/queue/sqlitequeue"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/store/sqlitestore"
)

// engine is a speech engine whose words say which segment they are of, so that tests see what became of each. Real
// engines are tested with their packages and end to end.
type engine struct {
	mu    sync.Mutex
	calls map[caption.Millis]int // by the length of the audio, which differs from segment to segment
	total int
	whole bool
	// hook, if set, runs first; its error is the call's.
	hook func(ctx context.Context, call int) error
}

func (e *engine) Capabilities() speech.Capabilities {
	return speech.Capabilities{Name: "stub", WordTimes: true, Parallelism: 2, WholeFile: e.whole}
}

func (e *engine) Recognize(ctx context.Context, a speech.Audio, _ speech.Request) (speech.Result, error) {
	e.mu.Lock()
	if e.calls == nil {
		e.calls = map[caption.Millis]int{}
	}
	e.total++
	call := e.total
	e.mu.Unlock()
	if e.hook != nil {
		if err := e.hook(ctx, call); err != nil {
			return speech.Result{}, err
		}
	}
	r, err := a.Open()
	if err != nil {
		return speech.Result{}, err
	}
	if err := r.Close(); err != nil {
		return speech.Result{}, err
	}
	e.mu.Lock()
	e.calls[a.Duration]++
	e.mu.Unlock()
	return speech.Result{Language: "en", Words: []caption.Word{{Text: fmt.Sprintf("length%d", a.Duration), Start: 100, End: a.Duration - 100}}}, nil
}

type fixture struct {
	t      *testing.T
	w      *Worker
	engine *engine
	store  *sqlitestore.Store
	queue  *sqlitequeue.Queue
	trace  string // of the tasks that job publishes
}

// newFixture makes a worker on real backends, with segments of ten seconds and two of a job on the queue at a time.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{t: t, engine: &engine{}}
	var err error
	f.store, err = sqlitestore.Open(t.Context(), sqlitestore.Config{Path: filepath.Join(dir, "s.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.store.Close()) })
	f.queue, err = sqlitequeue.Open(t.Context(), sqlitequeue.Config{Path: filepath.Join(dir, "q.db"), MaxAttempts: 3})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.queue.Close()) })
	f.w = New(Deps{
		Queue: f.queue, Jobs: f.store, Segments: f.store, Transcripts: f.store, Videos: f.store,
		Objects: testBucket(t), Events: memevents.NewEvents(), Engines: []speech.Recognizer{f.engine},
		WorkDir: t.TempDir(), Parallel: 2, Window: 2, SegmentLength: 10 * time.Second, MaxAttempts: 3,
	})
	return f
}

// start runs the worker, as package app does; stop ends it softly, and hard after the pause.
func (f *fixture) start() (stop func(pause time.Duration)) {
	soft, stopSoft := context.WithCancel(context.WithoutCancel(f.t.Context()))
	hard, stopHard := context.WithCancel(context.WithoutCancel(f.t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.queue.Run(hard) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.w.Run(soft, hard)
	}()
	var once sync.Once
	stop = func(pause time.Duration) {
		once.Do(func() {
			stopSoft()
			select {
			case <-done:
			case <-time.After(pause):
			}
			stopHard()
			<-done
			wg.Wait()
		})
	}
	f.t.Cleanup(func() { stop(0) })
	return stop
}

// sound makes an audio file of a length with ffmpeg; args go before the output.
func sound(t *testing.T, seconds int, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.mka")
	base := []string{"-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("anoisesrc=r=16000:a=0.2:d=%d", seconds)}
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(append(base, args...), path)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// job stores a video and a job on it, and enqueues the job's first task.
func (f *fixture) job(path string) caption.Job {
	f.t.Helper()
	v := caption.Video{ID: caption.NewID(), Owner: "u", Name: "in", State: caption.VideoComplete, Created: time.Now(), Touched: time.Now()}
	v.Key = "videos/u/" + v.ID
	file, err := os.Open(path)
	require.NoError(f.t, err)
	defer func() { require.NoError(f.t, file.Close()) }()
	st, err := file.Stat()
	require.NoError(f.t, err)
	v.Size = st.Size()
	require.NoError(f.t, f.w.Objects.Put(f.t.Context(), v.Key, file, v.Size, "application/octet-stream"))
	require.NoError(f.t, f.store.PutVideo(f.t.Context(), v))
	j, _, err := f.store.CreateJob(f.t.Context(), caption.Job{ID: caption.NewID(), Owner: "u", VideoID: v.ID, State: caption.Queued, Run: 1}, "")
	require.NoError(f.t, err)
	require.NoError(f.t, f.queue.Publish(f.t.Context(), caption.Task{Kind: caption.Prepare, JobID: j.ID, Run: 1, Trace: f.trace}))
	return j
}

// until waits for a condition of the job; the test's own time limit bounds it.
func (f *fixture) until(id string, is func(caption.Job) bool) caption.Job {
	f.t.Helper()
	for {
		j, err := f.store.Job(f.t.Context(), id)
		require.NoError(f.t, err)
		if is(j) {
			return j
		}
		select {
		case <-f.t.Context().Done():
			f.t.Fatal("the test ended first")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func ended(j caption.Job) bool { return j.State.Ended() }

// checkDone asserts that the job is processed with one word a segment, in order.
func (f *fixture) checkDone(j caption.Job) {
	f.t.Helper()
	require.Equal(f.t, caption.Processed, j.State, "%+v", j.Reason)
	require.Equal(f.t, j.Segments, j.Done)
	tr, err := f.store.Transcript(f.t.Context(), j.ID)
	require.NoError(f.t, err)
	require.Equal(f.t, 1, tr.Version)
	require.Len(f.t, tr.Words, j.Segments)
	require.True(f.t, slices.IsSortedFunc(tr.Words, func(a, b caption.Word) int { return int(a.Start - b.Start) }))
	require.Equal(f.t, "en", tr.Language)
	_, _, err = f.w.Objects.Get(f.t.Context(), planKey(j.ID))
	require.Equal(f.t, caption.KindNotFound, caption.KindOf(err), "the job's files are gone: %v", err)
}

func TestJobGoesThroughAllItsSteps(t *testing.T) {
	f := newFixture(t)
	j := f.job(sound(t, 45))
	f.start()
	j = f.until(j.ID, ended)
	f.checkDone(j)
	require.InDelta(t, 45000, float64(j.Duration), 50)
	require.GreaterOrEqual(t, j.Segments, 4)
	require.Equal(t, j.Segments, f.engine.total, "each segment once")
	require.Equal(t, "stub", j.Engine)
}

func TestEveryTaskTwiceIsAsOnce(t *testing.T) {
	f := newFixture(t)
	double := &doubling{Queue: f.queue}
	f.w.Queue = double
	j := f.job(sound(t, 45))
	f.start()
	f.checkDone(f.until(j.ID, ended))
}

// doubling publishes every task twice.
type doubling struct{ Queue }

func (d *doubling) Publish(ctx context.Context, tasks ...caption.Task) error {
	return d.Queue.Publish(ctx, append(tasks, tasks...)...)
}

func TestAtMostAWindowOfAJobIsOnTheQueue(t *testing.T) {
	f := newFixture(t)
	most := 0
	f.engine.hook = func(ctx context.Context, _ int) error {
		st, err := f.queue.QueueStats(ctx)
		f.engine.mu.Lock()
		most = max(most, st.Ready+st.Taken)
		f.engine.mu.Unlock()
		return err
	}
	j := f.job(sound(t, 95))
	f.start()
	f.checkDone(f.until(j.ID, ended))
	require.LessOrEqual(t, most, f.w.Window+1, "one more while a finished task publishes the next and is not settled yet")
}

func TestEngineThatWantsWholeFilesGetsOneSegment(t *testing.T) {
	f := newFixture(t)
	f.engine.whole = true
	j := f.job(sound(t, 35))
	f.start()
	j = f.until(j.ID, ended)
	f.checkDone(j)
	require.Equal(t, 1, j.Segments)
}

func TestVideosThatCannotBeCaptioned(t *testing.T) {
	text := filepath.Join(t.TempDir(), "film.mp4")
	require.NoError(t, os.WriteFile(text, []byte("this is no film"), 0o600))
	for name, c := range map[string]struct {
		path  string
		state caption.State
		code  string
	}{
		"no audio": {sound(t, 1, "-f", "lavfi", "-i", "testsrc=d=1", "-map", "1:v", "-c:v", "libx264"), caption.Skipped, "no_audio"},
		"text":     {text, caption.Failed, "not_media"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			j := f.job(c.path)
			f.start()
			j = f.until(j.ID, ended)
			require.Equal(t, c.state, j.State)
			require.Equal(t, c.code, j.Reason.Code)
			require.NotEmpty(t, j.Reason.Message)
			require.False(t, j.Finished.IsZero())
		})
	}
}

func TestTransientErrorIsTriedAgain(t *testing.T) {
	f := newFixture(t)
	f.engine.hook = func(_ context.Context, call int) error {
		if call == 1 {
			return caption.Errorf(caption.KindUnavailable, "busy")
		}
		return nil
	}
	j := f.job(sound(t, 12))
	f.start()
	f.checkDone(f.until(j.ID, ended))
}

// stumbling is a store that is away at first.
type stumbling struct {
	*sqlitestore.Store
	away atomic.Int32 // for so many calls
}

func (s *stumbling) SaveSegment(ctx context.Context, id string, r caption.SegmentResult) (caption.Job, bool, error) {
	if s.away.Add(-1) >= 0 {
		return caption.Job{}, false, caption.Errorf(caption.KindUnavailable, "away")
	}
	return s.Store.SaveSegment(ctx, id, r)
}

func TestAResultWaitsForTheStore(t *testing.T) {
	f := newFixture(t)
	store := &stumbling{Store: f.store}
	store.away.Store(3)
	f.w.Segments = store
	j := f.job(sound(t, 25))
	f.start()
	j = f.until(j.ID, ended)
	f.checkDone(j)
	require.Equal(t, j.Segments, f.engine.total, "what was heard is not heard again")
}

func TestExhaustedTaskFailsItsJobAndRetryRedoesOnlyWhatIsMissing(t *testing.T) {
	f := newFixture(t)
	f.w.MaxAttempts = 1
	var broken sync.Map
	broken.Store("on", true)
	f.engine.hook = func(_ context.Context, call int) error {
		if on, _ := broken.Load("on"); on.(bool) && call == 3 {
			return errors.New("secret internals")
		}
		return nil
	}
	j := f.job(sound(t, 65))
	f.start()
	j = f.until(j.ID, ended)
	require.Equal(t, caption.Failed, j.State)
	require.NotContains(t, j.Reason.Message, "secret")
	dead, err := f.queue.DeadLetters(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Contains(t, dead[0].Cause, "secret internals", "operators see the cause")

	broken.Store("on", false)
	f.engine.mu.Lock()
	before := f.engine.total
	f.engine.mu.Unlock()
	done := j.Done
	j, err = f.store.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error { j.State, j.Reason, j.Run = caption.Queued, nil, 2; return nil })
	require.NoError(t, err)
	require.NoError(t, f.queue.Publish(t.Context(), caption.Task{Kind: caption.Prepare, JobID: j.ID, Run: 2}))
	j = f.until(j.ID, ended)
	f.checkDone(j)
	require.LessOrEqual(t, f.engine.total-before, j.Segments-done, "what was done is not done again")
}

func TestCancelledJobStopsItsTasks(t *testing.T) {
	f := newFixture(t)
	running := make(chan struct{}, 8)
	f.engine.hook = func(ctx context.Context, _ int) error {
		running <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	j := f.job(sound(t, 35))
	f.start()
	<-running
	n, err := f.store.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error { j.State = caption.Cancelled; return nil })
	require.NoError(t, err)
	require.NoError(t, f.w.Events.PublishEvent(t.Context(), caption.Event{Job: n}))
	require.Eventually(t, func() bool {
		st, err := f.queue.QueueStats(t.Context())
		return err == nil && st.Ready+st.Taken == 0
	}, time.Minute, 5*time.Millisecond)
	require.Equal(t, caption.Cancelled, f.until(j.ID, ended).State)
}

func TestStopGivesTasksBackUncounted(t *testing.T) {
	f := newFixture(t)
	running := make(chan struct{}, 8)
	f.engine.hook = func(ctx context.Context, _ int) error {
		running <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	j := f.job(sound(t, 12))
	stop := f.start()
	<-running
	stop(0)
	d, err := f.queue.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, d.Attempt(), "the interrupted delivery does not count")
	require.NoError(t, d.Release(t.Context()))
	f.engine.hook = nil
	f.start()
	f.checkDone(f.until(j.ID, ended))
}

func TestSoftStopLetsTasksFinish(t *testing.T) {
	f := newFixture(t)
	running, goOn := make(chan struct{}, 8), make(chan struct{})
	f.engine.hook = func(context.Context, int) error {
		running <- struct{}{}
		<-goOn
		return nil
	}
	j := f.job(sound(t, 12))
	stop := f.start()
	<-running
	time.AfterFunc(50*time.Millisecond, func() { close(goOn) })
	stop(time.Minute)
	got, err := f.store.Job(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, 1, got.Done)
}

func TestTasksOfAnEarlierRunDoNothing(t *testing.T) {
	f := newFixture(t)
	j := f.job(sound(t, 12))
	_, err := f.store.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error { j.Run = 2; return nil })
	require.NoError(t, err)
	f.start()
	require.Eventually(t, func() bool {
		st, err := f.queue.QueueStats(t.Context())
		return err == nil && st.Ready+st.Taken == 0
	}, time.Minute, 5*time.Millisecond)
	got, err := f.store.Job(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, caption.Queued, got.State)
	require.Zero(t, f.engine.total)
}
