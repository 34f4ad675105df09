package captioning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/events/memevents"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
	"k8s-scalers/internal/queue/sqlitequeue"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/store/sqlitestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tokens accepts the name of a user as the token of that user; package identity tests real ones.
type tokens struct{}

func (tokens) Verify(_ context.Context, token string) (identity.User, error) {
	if strings.HasPrefix(token, "user-") {
		return identity.User{ID: token}, nil
	}
	return identity.User{}, caption.Errorf(caption.KindUnauthenticated, "Bad token.")
}

// brokenPublisher fails while down is set.
type brokenPublisher struct {
	caption.Publisher
	down atomic.Bool
}

func (b *brokenPublisher) Publish(ctx context.Context, t ...caption.Task) error {
	if b.down.Load() {
		return errors.New("the queue is away")
	}
	return b.Publisher.Publish(ctx, t...)
}

// deletions records which prefixes were deleted.
type deletions struct{ prefixes []string }

func (d *deletions) DeletePrefix(_ context.Context, prefix string) error {
	d.prefixes = append(d.prefixes, prefix)
	return nil
}

type fixture struct {
	t       *testing.T
	s       *Service
	store   *sqlitestore.Store
	queue   *sqlitequeue.Queue
	publish *brokenPublisher
	deleted *deletions
	now     atomic.Int64 // offset of the clock
	url     string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{t: t, deleted: &deletions{}}
	var err error
	f.store, err = sqlitestore.Open(t.Context(), sqlitestore.Config{Path: filepath.Join(dir, "s.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.store.Close()) })
	f.queue, err = sqlitequeue.Open(t.Context(), sqlitequeue.Config{Path: filepath.Join(dir, "q.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.queue.Close()) })
	f.publish = &brokenPublisher{Publisher: f.queue}
	f.s = New(Deps{
		Jobs: f.store, Lists: f.store, Segments: f.store, Transcripts: f.store, Videos: f.store,
		Publisher: f.publish, DeadLetters: f.queue, Events: memevents.NewEvents(), Tickets: memevents.NewTickets(nil),
		Objects: f.deleted, Verifier: tokens{}, MaxActive: 3,
		Engines: []speech.Capabilities{{Name: "pocketsphinx", Languages: []string{"en"}}},
		Now:     func() time.Time { return time.Now().Add(time.Duration(f.now.Load())) },
	})
	srv := httptest.NewServer(f.s.Handler())
	t.Cleanup(srv.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	f.url = srv.URL
	return f
}

func (f *fixture) video(owner string) string {
	v := caption.Video{ID: caption.NewID(), Owner: owner, Name: "talk.mp4", Size: 1, State: caption.VideoComplete, Created: time.Now(), Touched: time.Now()}
	require.NoError(f.t, f.store.PutVideo(f.t.Context(), v))
	return v.ID
}

// answer is a response that was read.
type answer struct {
	StatusCode int
	Header     http.Header
	Body       string
}

// call makes a request as a user and decodes the answer into out where that is not nil.
func (f *fixture) call(user, method, path, body string, out any, header ...string) answer {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	require.NoError(f.t, err)
	r.Header.Set("Authorization", "Bearer "+user)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(f.t, err)
	b, err := io.ReadAll(res.Body)
	require.NoError(f.t, err)
	require.NoError(f.t, res.Body.Close())
	if out != nil {
		require.NoError(f.t, json.Unmarshal(b, out), "%s", b)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func (f *fixture) job(user string) JobView {
	f.t.Helper()
	var j JobView
	res := f.call(user, "POST", "/api/v1/captions", fmt.Sprintf(`{"upload_id":%q}`, f.video(user)), &j)
	require.Equal(f.t, http.StatusCreated, res.StatusCode)
	return j
}

// process stores a result for the job, as the workers do.
func (f *fixture) process(id string) {
	f.t.Helper()
	ctx := f.t.Context()
	_, err := f.store.UpdateJob(ctx, id, func(j *caption.Job) error {
		j.State, j.Segments, j.Duration, j.Engine = caption.Transcribing, 1, 4000, "pocketsphinx"
		return nil
	})
	require.NoError(f.t, err)
	words := []caption.Word{{Text: "hello", Start: 500, End: 900}, {Text: "world", Start: 900, End: 1500}}
	_, _, err = f.store.SaveSegment(ctx, id, caption.SegmentResult{End: 4000, Words: words, Engine: "pocketsphinx"})
	require.NoError(f.t, err)
	_, err = f.store.SaveTranscript(ctx, caption.Transcript{JobID: id, Engine: "pocketsphinx", Profile: "netflix", Duration: 4000,
		Words: words, Cues: []caption.Cue{{Start: 500, End: 1500, Text: "hello world"}}})
	require.NoError(f.t, err)
	_, err = f.store.UpdateJob(ctx, id, func(j *caption.Job) error { j.State, j.Finished = caption.Processed, time.Now(); return nil })
	require.NoError(f.t, err)
}

func TestCreateStoresAndEnqueues(t *testing.T) {
	f := newFixture(t)
	j := f.job("user-a")
	require.Equal(t, caption.Queued, j.State)
	require.Equal(t, "talk.mp4", j.Title)
	require.Nil(t, j.ETA)
	require.Nil(t, j.Segments, "unknown is not 0")
	d, err := f.queue.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, caption.Task{Kind: caption.Prepare, JobID: j.ID, Run: 1}, d.Task())
	stored, err := f.store.Job(t.Context(), j.ID)
	require.NoError(t, err)
	require.True(t, stored.Enqueued)
}

func TestCreateRefuses(t *testing.T) {
	f := newFixture(t)
	mine, others := f.video("user-a"), f.video("user-b")
	half := caption.Video{ID: caption.NewID(), Owner: "user-a", Name: "x", Size: 1, State: caption.VideoUploading, Created: time.Now(), Touched: time.Now()}
	require.NoError(t, f.store.PutVideo(t.Context(), half))
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"another user's upload": {`{"upload_id":"` + others + `"}`, 404, "upload_not_found"},
		"unknown upload":        {`{"upload_id":"` + caption.NewID() + `"}`, 404, "upload_not_found"},
		"a path as id":          {`{"upload_id":"../../etc/passwd"}`, 404, "upload_not_found"},
		"incomplete upload":     {`{"upload_id":"` + half.ID + `"}`, 409, "upload_incomplete"},
		"unknown engine":        {`{"upload_id":"` + mine + `","engine":"x"}`, 400, "engine_not_enabled"},
		"language not known":    {`{"upload_id":"` + mine + `","language":"de"}`, 400, "language_unsupported"},
		"not a language":        {`{"upload_id":"` + mine + `","language":"!!"}`, 400, "bad_language"},
		"unknown profile":       {`{"upload_id":"` + mine + `","profile":"x"}`, 400, ""},
		"diarization":           {`{"upload_id":"` + mine + `","diarize":true}`, 400, "diarize_unsupported"},
		"words to expect":       {`{"upload_id":"` + mine + `","keyterms":["Kubernetes"]}`, 400, "keyterms_unsupported"},
		"track":                 {`{"upload_id":"` + mine + `","audio_track":-1}`, 400, "bad_audio_track"},
		"title":                 {`{"upload_id":"` + mine + `","title":"a\u0000b"}`, 400, "bad_title"},
		"unknown field":         {`{"upload_id":"` + mine + `","x":1}`, 400, "bad_json"},
	} {
		t.Run(name, func(t *testing.T) {
			var p httpapi.Problem
			res := f.call("user-a", "POST", "/api/v1/captions", c.body, &p)
			require.Equal(t, c.status, res.StatusCode)
			if c.code != "" {
				require.Equal(t, c.code, p.Code)
			}
			require.NotEmpty(t, p.Detail)
		})
	}
}

func TestIdempotencyKeyAndLimitOfActiveJobs(t *testing.T) {
	f := newFixture(t)
	v := f.video("user-a")
	body := fmt.Sprintf(`{"upload_id":%q}`, v)
	var first, second JobView
	require.Equal(t, 201, f.call("user-a", "POST", "/api/v1/captions", body, &first, "Idempotency-Key", "k").StatusCode)
	require.Equal(t, 200, f.call("user-a", "POST", "/api/v1/captions", body, &second, "Idempotency-Key", "k").StatusCode)
	require.Equal(t, first.ID, second.ID)
	other := fmt.Sprintf(`{"upload_id":%q}`, f.video("user-a"))
	require.Equal(t, 409, f.call("user-a", "POST", "/api/v1/captions", other, nil, "Idempotency-Key", "k").StatusCode)
	f.job("user-a")
	f.job("user-a")
	res := f.call("user-a", "POST", "/api/v1/captions", other, nil)
	require.Equal(t, 429, res.StatusCode)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	f.job("user-b") // another user's jobs do not count
}

func TestAcceptedJobsArePublishedWhenTheQueueComesBack(t *testing.T) {
	f := newFixture(t)
	f.publish.down.Store(true)
	j := f.job("user-a")
	f.s.republish(t.Context())
	f.publish.down.Store(false)
	f.s.republish(t.Context())
	st, err := f.queue.QueueStats(t.Context())
	require.NoError(t, err)
	require.Zero(t, st.Ready, "the request that stored the job may still be publishing it")
	f.now.Store(int64(2 * patience))
	f.s.republish(t.Context())
	f.s.republish(t.Context())
	st, err = f.queue.QueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, st.Ready, "published once")
	stored, err := f.store.Job(t.Context(), j.ID)
	require.NoError(t, err)
	require.True(t, stored.Enqueued)
}

func TestDeadLetterFailsItsJobAndRetryStartsItAgain(t *testing.T) {
	f := newFixture(t)
	j := f.job("user-a")
	d, err := f.queue.Receive(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.Bury(t.Context(), "it killed its worker"))
	f.s.failDead(t.Context())
	var v JobView
	f.call("user-a", "GET", "/api/v1/captions/"+j.ID, "", &v)
	require.Equal(t, caption.Failed, v.State)
	require.Equal(t, "gave_up", v.Reason.Code)
	seq := v.Seq
	f.s.failDead(t.Context())
	f.call("user-a", "GET", "/api/v1/captions/"+j.ID, "", &v)
	require.Equal(t, seq, v.Seq, "failed once")

	require.Equal(t, 202, f.call("user-a", "POST", "/api/v1/captions/"+j.ID+"/retry", "", &v).StatusCode)
	require.Equal(t, caption.Queued, v.State)
	require.Nil(t, v.Reason)
	f.s.failDead(t.Context()) // the dead letter is of the earlier run
	d, err = f.queue.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, d.Task().Run)
	f.call("user-a", "GET", "/api/v1/captions/"+j.ID, "", &v)
	require.Equal(t, caption.Queued, v.State)
	require.Equal(t, 409, f.call("user-a", "POST", "/api/v1/captions/"+j.ID+"/retry", "", nil).StatusCode, "only an ended job")
}

func TestCancelAndDelete(t *testing.T) {
	f := newFixture(t)
	j := f.job("user-a")
	var v JobView
	require.Equal(t, 202, f.call("user-a", "POST", "/api/v1/captions/"+j.ID+"/cancel", "", &v).StatusCode)
	require.Equal(t, caption.Cancelled, v.State)
	require.NotNil(t, v.FinishedAt)
	require.Equal(t, 202, f.call("user-a", "POST", "/api/v1/captions/"+j.ID+"/cancel", "", &v).StatusCode, "again is the same")
	require.Equal(t, 204, f.call("user-a", "DELETE", "/api/v1/captions/"+j.ID, "", nil).StatusCode)
	require.Equal(t, []string{caption.JobPrefix(j.ID)}, f.deleted.prefixes)
	require.Equal(t, 404, f.call("user-a", "GET", "/api/v1/captions/"+j.ID, "", nil).StatusCode)
	p := f.job("user-a")
	f.process(p.ID)
	require.Equal(t, 409, f.call("user-a", "POST", "/api/v1/captions/"+p.ID+"/cancel", "", nil).StatusCode)
}

func TestAnotherUsersJobLooksLikeNone(t *testing.T) {
	f := newFixture(t)
	j := f.job("user-a")
	for _, c := range []struct{ method, path string }{
		{"GET", ""}, {"DELETE", ""}, {"POST", "/retry"}, {"POST", "/cancel"}, {"POST", "/events/ticket"}, {"GET", "/events"},
		{"GET", "/transcript"}, {"PUT", "/transcript"},
	} {
		body := ""
		if c.method == "PUT" {
			body = `{"cues":[]}`
		}
		var theirs, none httpapi.Problem
		a := f.call("user-b", c.method, "/api/v1/captions/"+j.ID+c.path, body, &theirs, "If-Match", `"1"`)
		b := f.call("user-b", c.method, "/api/v1/captions/"+caption.NewID()+c.path, body, &none, "If-Match", `"1"`)
		require.Equal(t, 404, a.StatusCode, "%s %s", c.method, c.path)
		require.Equal(t, b.StatusCode, a.StatusCode)
		require.Equal(t, none, theirs, "%s %s", c.method, c.path)
	}
	require.Equal(t, 404, f.call("user-b", "GET", "/api/v1/result/"+j.ID, "", nil).StatusCode)
	var l listView
	f.call("user-b", "GET", "/api/v1/captions?q=talk", "", &l)
	require.Empty(t, l.Captions)
	f.call("user-a", "GET", "/api/v1/captions?q=talk", "", &l)
	require.Len(t, l.Captions, 1)
}

func TestResultsAndEdits(t *testing.T) {
	f := newFixture(t)
	j := f.job("user-a")
	path := "/api/v1/captions/" + j.ID + "/transcript"
	require.Equal(t, 409, f.call("user-a", "GET", path, "", nil).StatusCode, "not yet")
	f.process(j.ID)
	var tr caption.Transcript
	res := f.call("user-a", "GET", path, "", &tr)
	require.Equal(t, `"1"`, res.Header.Get("ETag"))
	require.Equal(t, 304, f.call("user-a", "GET", path, "", nil, "If-None-Match", `"1"`).StatusCode)

	edit := `{"cues":[{"start":0.5,"end":1.5,"text":"Hello, world."}]}`
	require.Equal(t, 412, f.call("user-a", "PUT", path, edit, nil).StatusCode, "without If-Match")
	res = f.call("user-a", "PUT", path, edit, &tr, "If-Match", `"1"`)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, `"2"`, res.Header.Get("ETag"))
	require.Equal(t, []caption.Cue{{Start: 500, End: 1500, Text: "hello world"}}, tr.Original)
	var p httpapi.Problem
	require.Equal(t, 412, f.call("user-a", "PUT", path, edit, &p, "If-Match", `"1"`).StatusCode, "the other tab")
	require.Equal(t, "transcript_changed", p.Code)
	require.Equal(t, 400, f.call("user-a", "PUT", path, `{"cues":[{"start":2,"end":1,"text":"x"}]}`, nil, "If-Match", `"2"`).StatusCode)

	for format, want := range map[string]string{
		"vtt": "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nHello, world.\n",
		"srt": "00:00:00,500 --> 00:00:01,500", "txt": "Hello, world.", "json": `"Hello, world."`,
	} {
		res := f.call("user-a", "GET", "/api/v1/result/"+j.ID+"?format="+format, "", nil)
		require.Equal(t, 200, res.StatusCode)
		require.Contains(t, res.Body, want)
		require.Contains(t, res.Header.Get("Content-Disposition"), `filename="talk.`+format+`"`)
	}
	require.Equal(t, 400, f.call("user-a", "GET", "/api/v1/result/"+j.ID+"?format=exe", "", nil).StatusCode)

	var reverted caption.Transcript
	f.call("user-a", "PUT", path, `{"cues":[{"start":0.5,"end":1.5,"text":"hello world"}]}`, &reverted, "If-Match", `"2"`)
	require.Equal(t, 3, reverted.Version)
	require.Nil(t, reverted.Original, "the same as the engine's again")
}

func TestTickets(t *testing.T) {
	f := newFixture(t)
	j, other := f.job("user-a"), f.job("user-a")
	get := func(id string) string {
		var v ticketView
		require.Equal(t, 201, f.call("user-a", "POST", "/api/v1/captions/"+id+"/events/ticket", "", &v).StatusCode)
		return v.Ticket
	}
	dial := func(id, ticket string) (c *websocket.Conn, status int, err error) {
		c, res, err := websocket.Dial(t.Context(), f.url+"/api/v1/captions/"+id+"/events?ticket="+ticket, nil)
		if res.Body != nil {
			require.NoError(t, res.Body.Close())
		}
		return c, res.StatusCode, err
	}
	ticket := get(j.ID)
	c, _, err := dial(j.ID, ticket)
	require.NoError(t, err)
	_, b, err := c.Read(t.Context())
	require.NoError(t, err)
	var m Message
	require.NoError(t, json.Unmarshal(b, &m))
	require.Equal(t, "snapshot", m.Type)
	require.NoError(t, c.CloseNow())
	for name, again := range map[string]string{"used": ticket, "of another job": get(other.ID), "made up": "x", "empty": ""} {
		_, status, err := dial(j.ID, again)
		require.Error(t, err, name)
		require.Equal(t, 401, status, name)
	}
}
