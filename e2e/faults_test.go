//go:build faults

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/captioning"
	"k8s-scalers/internal/client"
	"k8s-scalers/internal/queue/amqpqueue"
)

const (
	jobsPerFault = 12 // 17 faults: more than 200 jobs
	engineTime   = 300 * time.Millisecond
	// deadline is how long the interface may take to say that it cannot serve.
	deadline = 15 * time.Second
	// faultPatience is how long a fault and its jobs may take, on a slow machine.
	faultPatience = 3 * time.Minute
)

// fault is something that goes wrong while jobs are asked for and done.
type fault struct {
	name   string
	strike func(t testing.TB, s *system) (mend func(testing.TB))
	lasts  time.Duration
	// probe is a request that must be answered 503 meanwhile; the zero value says that there is none.
	probe probe
	// kills is how many workers are killed; each may cost one segment.
	kills int
	// kept says that no segment may be redone.
	kept bool
}

// probe is a request to the entry.
type probe struct {
	method, path, body string
}

var (
	listJobs  = probe{"GET", "/api/v1/captions?limit=1", ""}
	newUpload = probe{"POST", "/api/v1/uploads", `{"name":"probe.mp4","size":1}`}
	login     = probe{"POST", "/api/v1/auth/login", `{"email":"faults@example.org","password":"` + faultsPassword + `"}`}
	page      = probe{"GET", "/", ""}
)

const faultsPassword = "correct horse battery staple"

func killed(program string, p probe, kills int) fault {
	return fault{name: "kill -9 " + program, lasts: 3 * time.Second, probe: p, kills: kills, strike: func(t testing.TB, s *system) func(testing.TB) {
		s.programs[program].kill(t)
		return func(t testing.TB) {
			s.programs[program].start(t)
			s.programs[program].awaitReady(t)
		}
	}}
}

func serverKilled(name string, p probe) fault {
	return fault{name: "kill -9 " + name, lasts: 3 * time.Second, probe: p, strike: func(_ testing.TB, s *system) func(testing.TB) {
		s.servers[name].kill()
		return func(t testing.TB) { require.NoError(t, s.servers[name].start(t.Context())) }
	}}
}

func serverCutOff(name string, p probe) fault {
	return fault{name: name + " cut off", lasts: 8 * time.Second, probe: p, strike: func(t testing.TB, s *system) func(testing.TB) {
		return s.servers[name].cutOff(t)
	}}
}

var faults = []fault{
	{name: "none", strike: func(testing.TB, *system) func(testing.TB) { return func(testing.TB) {} }, kept: true},
	killed("auth-service", login, 0),
	killed("upload-service", newUpload, 0),
	killed("caption-service", listJobs, 0),
	killed("caption-worker", probe{}, 1),
	killed("frontend", page, 0),
	killed("gateway-service", probe{}, 0),
	{name: "all restarted in order", kept: true, strike: func(t testing.TB, s *system) func(testing.TB) {
		s.restart(t)
		return func(testing.TB) {}
	}},
	serverKilled("RabbitMQ", probe{}), // Jobs are accepted without it.
	serverKilled("Redis", login),      // Nobody could limit guesses.
	serverKilled("PostgreSQL", login),
	serverKilled("MongoDB", listJobs),
	serverKilled("S3", newUpload),
	serverCutOff("RabbitMQ", probe{}),
	serverCutOff("Redis", login),
	serverCutOff("PostgreSQL", login),
	serverCutOff("MongoDB", listJobs),
	serverCutOff("S3", newUpload),
}

// suite is what the faults share.
type suite struct {
	system *system
	engine *countingEngine
	client *client.Client
	token  string
	film   string

	mu   sync.Mutex
	jobs int
}

// row is what came of a fault.
type row struct {
	fault                                string
	accepted, processed, lost            int
	twice, redone, unavailable           int
	slowest, entryBack, done, acceptance time.Duration

	doing string // what goes on, for a fault that fails
}

// TestFaults runs jobs through six programs while one thing after the other is killed, restarted or cut off.
func TestFaults(t *testing.T) {
	var rows []*row
	t.Cleanup(func() { report(t, rows) }) // After all that the programs have said.
	engine := newCountingEngine(t, engineTime)
	s := &suite{system: newSystem(t, run.backends, engine), engine: engine, film: film(t)}
	s.client = &client.Client{Base: s.system.base, Sessions: client.FileSessions{Path: filepath.Join(t.TempDir(), "session")}}
	require.NoError(t, s.client.Login(t.Context(), "faults@example.org", faultsPassword, true))

	only := os.Getenv("FAULT")
	for _, f := range faults {
		if only != "" && !strings.Contains(f.name, only) {
			continue
		}
		r := &row{fault: f.name}
		rows = append(rows, r)
		t.Run(f.name, func(t *testing.T) { s.suffer(t, f, r) })
	}
	if only == "" || only == "poison" {
		t.Run("poison", s.poison)
	}
}

// film makes a video of which segments are cut, with nothing in it that is worth hearing.
func film(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "film.m4a")
	out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=frequency=300:sample_rate=16000:duration=34",
		"-c:a", "aac", "-b:a", "32k", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// acceptedJob is a job that the system has accepted.
type acceptedJob struct {
	id       string
	accepted time.Duration // how long that took
}

// submit uploads a film of its own and asks for captions, as often as need be, as a patient client does.
func (s *suite) submit(ctx context.Context) (acceptedJob, error) {
	s.mu.Lock()
	s.jobs++
	path := fmt.Sprintf("%s.%d.m4a", s.film, s.jobs)
	s.mu.Unlock()
	if err := os.Link(s.film, path); err != nil {
		return acceptedJob{}, err
	}
	start, key := time.Now(), caption.NewID()
	var id string
	err := patiently(ctx, func() error {
		upload, err := s.client.Upload(ctx, path, nil)
		if err != nil {
			return err
		}
		return patiently(ctx, func() error {
			j, err := s.client.Caption(ctx, upload.ID, key, caption.Options{})
			id = j.ID
			return err
		})
	})
	return acceptedJob{id, time.Since(start)}, err
}

// patiently tries until it succeeds, or the server says that trying again does not help.
func patiently(ctx context.Context, do func() error) error {
	var last error
	for {
		err := do()
		switch caption.KindOf(err) {
		case caption.KindUnavailable, caption.KindRateLimited:
			last = err
		default:
			if err != nil && last != nil {
				err = fmt.Errorf("%w; the last answer before: %w", err, last)
			}
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// suffer submits jobs, lets the fault strike among them, and looks at what became of all.
func (s *suite) suffer(t *testing.T, f fault, r *row) {
	ctx, cancel := context.WithTimeout(t.Context(), faultPatience)
	defer cancel()
	calls := s.engine.calls.Load()
	accepted, errs := make([]acceptedJob, jobsPerFault), make([]error, jobsPerFault)
	var wg sync.WaitGroup
	for i := range jobsPerFault {
		wg.Go(func() {
			select {
			case <-time.After(time.Duration(i) * 200 * time.Millisecond):
				accepted[i], errs[i] = s.submit(ctx)
			case <-ctx.Done():
				errs[i] = ctx.Err()
			}
		})
	}
	r.doing = "waiting for the first segment to be heard"
	// In the midst of it: some jobs are accepted, and a segment is being heard.
	require.Eventually(t, func() bool { return s.engine.calls.Load() > calls }, faultPatience, time.Millisecond)
	time.Sleep(engineTime / 2)
	r.doing = "striking"
	mend := f.strike(t, s.system)
	r.unavailable, r.slowest = s.duringFault(t, f)
	r.doing = "mending"
	mend(t)
	mended := time.Now()
	r.doing = "waiting for the entry to answer"
	if f.probe.path != "" {
		require.Eventually(t, func() bool { a := s.ask(t, f.probe); return a.err == nil && a.status < 500 }, faultPatience, 50*time.Millisecond)
		r.entryBack = time.Since(mended)
	}
	r.doing = "waiting for the jobs to be accepted"
	wg.Wait()
	segments := 0
	r.doing = "waiting for the jobs to end"
	for i, j := range accepted {
		require.NoError(t, errs[i])
		r.accepted++
		r.acceptance = max(r.acceptance, j.accepted)
		done, err := s.await(ctx, j.id)
		if err != nil || done.State != caption.Processed {
			t.Errorf("job %s is lost: %v, %+v", j.id, err, done)
			r.doing = fmt.Sprintf("waiting for job %s, which is %s with %d segments done, the last answer being %v", j.id, done.State, done.SegmentsDone, err)
			r.lost++
			continue
		}
		r.processed++
		segments += *done.Segments
		r.twice += s.twice(t, done)
	}
	r.done = time.Since(mended)
	r.redone = int(s.engine.calls.Load()-calls) - segments
	require.Zero(t, r.lost, "lost jobs")
	r.doing = "looking at the results"
	require.Zero(t, r.twice, "results that were written twice")
	if f.kept || f.kills > 0 {
		require.LessOrEqual(t, r.redone, f.kills, "segments that were redone")
	}
	r.doing = "waiting for all programs to be ready"
	s.system.awaitAll(t)
	r.doing = ""
}

// duringFault asks for what cannot be had while the fault lasts: the answer is 503, says when to try again, and comes in time.
func (s *suite) duringFault(t *testing.T, f fault) (unavailable int, slowest time.Duration) {
	end := time.Now().Add(f.lasts)
	for time.Now().Before(end) {
		if f.probe.path != "" {
			a := s.ask(t, f.probe)
			require.NoError(t, a.err)
			slowest = max(slowest, a.took)
			require.Less(t, a.took, deadline)
			if a.status >= 500 {
				require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
				require.NotEmpty(t, a.retryAfter, a.body)
				unavailable++
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	if f.probe.path != "" {
		require.Positive(t, unavailable, "answers 503")
	}
	return unavailable, slowest
}

// answer is what the entry said to a probe.
type answer struct {
	status           int
	retryAfter, body string
	took             time.Duration
	err              error
}

// ask makes a request as the user of the suite.
func (s *suite) ask(t *testing.T, p probe) answer {
	start := time.Now()
	r, err := http.NewRequestWithContext(t.Context(), p.method, s.system.base+p.path, strings.NewReader(p.body))
	require.NoError(t, err)
	if s.token == "" {
		require.NoError(t, s.client.Sessions.Update(func(session *client.Session) error { s.token = session.AccessToken; return nil }))
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	s.mu.Lock()
	s.jobs++ // Each from another address, so that no limit of guesses is reached.
	r.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", s.jobs%250))
	s.mu.Unlock()
	if p.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{err: err, took: time.Since(start)}
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close() // It was only read.
	return answer{res.StatusCode, res.Header.Get("Retry-After"), string(body), time.Since(start), err}
}

// await waits until a job has ended.
func (s *suite) await(ctx context.Context, id string) (j captioning.JobView, err error) {
	for ctx.Err() == nil {
		err = patiently(ctx, func() error { j, err = s.client.Job(ctx, id); return err })
		if err != nil || j.State.Ended() {
			return j, err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return j, ctx.Err()
}

var callWord = regexp.MustCompile(`c(\d+)w\d+`)

// twice counts the results of segments that a processed job has besides one a segment.
func (s *suite) twice(t *testing.T, j captioning.JobView) int {
	require.Equal(t, *j.Segments, j.SegmentsDone)
	require.GreaterOrEqual(t, *j.Segments, 3)
	var text strings.Builder
	require.NoError(t, patiently(t.Context(), func() error {
		text.Reset()
		return s.client.Result(t.Context(), j.ID, "txt", false, &text)
	}))
	var words, calls []string
	for _, m := range callWord.FindAllStringSubmatch(text.String(), -1) {
		words, calls = append(words, m[0]), append(calls, m[1])
	}
	slices.Sort(words)
	require.Len(t, slices.Compact(slices.Clone(words)), len(words), "a word occurs twice: %s", text.String())
	slices.Sort(calls)
	calls = slices.Compact(calls)
	require.GreaterOrEqual(t, len(calls), *j.Segments, "a segment is missing: %s", text.String())
	require.Len(t, words, wordsPerCall*len(calls), "a result is not whole: %s", text.String())
	return len(calls) - *j.Segments
}

// poison is a task that fails each time: it becomes a dead letter, its job fails and says why, and is done when the cause is mended.
func (s *suite) poison(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), faultPatience)
	defer cancel()
	s.engine.broken.Store(true)
	accepted, err := s.submit(ctx)
	require.NoError(t, err)
	j, err := s.await(ctx, accepted.id)
	require.NoError(t, err)
	require.Equal(t, caption.Failed, j.State)
	require.NotNil(t, j.Reason)
	require.NotEmpty(t, j.Reason.Code)
	require.NotEmpty(t, j.Reason.Message)

	q, err := amqpqueue.New(amqpqueue.Config{URL: s.system.queueURL, MaxAttempts: 4, Visibility: 4 * time.Second})
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Close()) }()
	var dead []caption.DeadLetter
	require.Eventually(t, func() bool {
		dead, err = q.DeadLetters(ctx, 100)
		return err == nil && len(dead) > 0
	}, faultPatience, 100*time.Millisecond)
	for _, d := range dead {
		require.Equal(t, accepted.id, d.Task.JobID)
		require.Equal(t, 4, d.Attempts)
		require.NotEmpty(t, d.Cause)
		require.NoError(t, q.DropDeadLetter(ctx, d.ID))
	}
	s.engine.broken.Store(false)
	a := s.ask(t, probe{"POST", "/api/v1/captions/" + accepted.id + "/retry", ""})
	require.Equal(t, http.StatusAccepted, a.status, a.body)
	j, err = s.await(ctx, accepted.id)
	require.NoError(t, err)
	require.Equal(t, caption.Processed, j.State, "%+v", j.Reason)
	require.Zero(t, s.twice(t, j))
}

// report prints what came of each fault.
func report(t *testing.T, rows []*row) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "fault\taccepted\tprocessed\tlost\twritten twice\tsegments redone\tslowest acceptance\t503s\tslowest answer\tentry back\tall done\t")
	total := row{fault: "all"}
	line := func(r *row) {
		seconds := func(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%d\t%s\t%s\t%s\t\n", r.fault, r.accepted, r.processed, r.lost, r.twice, r.redone,
			seconds(r.acceptance), r.unavailable, seconds(r.slowest), seconds(r.entryBack), seconds(r.done))
	}
	for _, r := range rows {
		line(r)
		total.accepted, total.processed, total.lost = total.accepted+r.accepted, total.processed+r.processed, total.lost+r.lost
		total.twice, total.redone, total.unavailable = total.twice+r.twice, total.redone+r.redone, total.unavailable+r.unavailable
		total.acceptance = max(total.acceptance, r.acceptance)
		total.slowest, total.entryBack, total.done = max(total.slowest, r.slowest), max(total.entryBack, r.entryBack), max(total.done, r.done)
	}
	line(&total)
	_ = w.Flush() // It writes to memory.
	for _, r := range rows {
		if r.doing != "" {
			fmt.Fprintf(&b, "%s: failed while %s\n", r.fault, r.doing)
		}
	}
	t.Log("\n" + b.String())
}
