package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// segmented cuts the long fixture into several segments.
var segmented = map[string]string{"SEGMENT_LENGTH": "10s", "WORKERS": "2"}

// oneWorker does the same, and works on them one after the other.
var oneWorker = map[string]string{"SEGMENT_LENGTH": "10s", "WORKERS": "1", "WINDOW": "1"}

// liveEvents subscribes at random moments, by both kinds of stream. What each stream must carry is in follower.add.
func liveEvents(t *testing.T, e *Env) {
	ada := e.user(t)
	up := ada.upload("long.mp4", e.Fixtures.bytes(t, "long.mp4"))
	j := ada.caption(up.ID, nil)
	ctx := within(t)
	const n = 24
	followers := make([]follower, n)
	var g errgroup.Group
	for i := range followers {
		f := &followers[i]
		f.contract = e.contract
		if i%2 == 1 {
			g.Go(func() error {
				ended, err := f.bySSE(ctx, ada, j.ID)
				if err == nil && !ended {
					err = fmt.Errorf("stream %d stopped without its end", i)
				}
				return err
			})
		} else {
			ticket := ada.ticket(j.ID)
			g.Go(func() error {
				status, err := f.byWebSocket(ctx, ada, j.ID, ticket)
				if err == nil && status != websocket.StatusNormalClosure {
					err = fmt.Errorf("WebSocket %d was closed with %d", i, status)
				}
				return err
			})
		}
		time.Sleep(rand.N(600 * time.Millisecond))
	}
	require.NoError(t, g.Wait())
	done := ada.await(j.ID)
	require.Equal(t, "processed", done.State)
	require.Greater(t, *done.Segments, 1, "the fixture must have several segments")
	for i := range followers {
		f := &followers[i]
		require.Equal(t, done.Seq, f.last().Seq, "stream %d missed the end", i)
		for s := range f.segments {
			require.Less(t, s, *done.Segments)
		}
	}
	require.NotEmpty(t, followers[0].segments, "there were no live captions")
	says(t, ada.processed(j.ID).Cues, longWords)
}

// retryRedoesMissing cancels a job after its first segment, and starts it again.
func retryRedoesMissing(t *testing.T, e *Env) {
	ada := e.user(t)
	up := ada.upload("long.mp4", e.Fixtures.bytes(t, "long.mp4"))
	j := ada.caption(up.ID, nil)
	ada.awaitThat(j.ID, func(j job) bool { return j.SegmentsDone > 0 })
	var cancelled, retried job
	ada.do("POST", "/api/v1/captions/"+j.ID+"/cancel", nil).is(http.StatusAccepted).into(&cancelled)
	require.Equal(t, "cancelled", cancelled.State)
	require.Less(t, cancelled.SegmentsDone, *cancelled.Segments)
	ada.do("POST", "/api/v1/captions/"+j.ID+"/retry", nil).is(http.StatusAccepted).into(&retried)
	require.GreaterOrEqual(t, retried.SegmentsDone, cancelled.SegmentsDone)
	require.Equal(t, cancelled.Segments, retried.Segments)
	tr := ada.processed(j.ID)
	require.Equal(t, 1, tr.Version)
	says(t, tr.Cues, longWords)
	ada.do("POST", "/api/v1/captions/"+j.ID+"/retry", nil).refused(http.StatusConflict, "job_not_retryable")
	ada.do("POST", "/api/v1/captions/"+j.ID+"/cancel", nil).refused(http.StatusConflict, "job_ended")

	done, prepared := map[int]int{}, 0
	eventually(t, "the last task of the job is logged", func() bool {
		return slices.ContainsFunc(e.Tasks(t), func(r TaskRecord) bool { return r.JobID == j.ID && r.Kind == "assemble" && r.Outcome == "done" })
	})
	for _, r := range e.Tasks(t) {
		if r.Outcome == "done" && r.Kind == "transcribe" {
			done[r.Segment]++
		}
		if r.Outcome == "done" && r.Kind == "prepare" {
			prepared++
		}
	}
	for segment, times := range done {
		require.Equal(t, 1, times, "segment %d was recognised again", segment)
	}
	require.Equal(t, 2, prepared, "a prepare task for each start")
}

// cancelJob cancels a job at once, and deletes one that is being worked on.
func cancelJob(t *testing.T, e *Env) {
	ada := e.user(t)
	up := ada.upload("long.mp4", e.Fixtures.bytes(t, "long.mp4"))
	j := ada.caption(up.ID, nil)
	var got job
	ada.do("POST", "/api/v1/captions/"+j.ID+"/cancel", nil).is(http.StatusAccepted).into(&got)
	require.Equal(t, "cancelled", got.State)
	ada.do("POST", "/api/v1/captions/"+j.ID+"/cancel", nil).is(http.StatusAccepted).into(&got)
	require.Equal(t, "cancelled", got.State)
	ada.do("GET", "/api/v1/captions/"+j.ID+"/transcript", nil).refused(http.StatusConflict, "not_processed")
	f := follower{contract: e.contract}
	status, err := f.byWebSocket(within(t), ada, j.ID, ada.ticket(j.ID))
	require.NoError(t, err)
	require.Equal(t, websocket.StatusNormalClosure, status)
	require.Len(t, f.messages, 1)
	require.Equal(t, "cancelled", f.last().State)

	second := ada.caption(up.ID, nil)
	stream := follower{contract: e.contract}
	var g errgroup.Group
	ticket, ctx := ada.ticket(second.ID), within(t)
	g.Go(func() error {
		_, err := stream.byWebSocket(ctx, ada, second.ID, ticket)
		return err
	})
	ada.awaitThat(second.ID, func(j job) bool { return j.State != "queued" })
	ada.do("DELETE", "/api/v1/captions/"+second.ID, nil).is(http.StatusNoContent)
	ada.do("GET", "/api/v1/captions/"+second.ID, nil).refused(http.StatusNotFound, "job_not_found")
	require.NoError(t, g.Wait(), "the stream of a deleted job ends in order")
	require.Len(t, ada.list(nil).Captions, 1)
	require.Equal(t, "cancelled", ada.job(j.ID).State, "a cancelled job stays so")
}

func idempotencyKey(t *testing.T, e *Env) {
	ada, eve := e.user(t), e.user(t)
	one, two := ada.upload("a.mp4", e.Fixtures.bytes(t, "mute.mp4")), ada.upload("b.mp4", e.Fixtures.bytes(t, "mute.mp4"))
	key := header("Idempotency-Key", "the same request")
	results := make([]*response, 8)
	var g errgroup.Group
	for i := range results {
		g.Go(func() (err error) {
			results[i], err = ada.try("POST", "/api/v1/captions", map[string]any{"upload_id": one.ID}, key)
			return err
		})
	}
	require.NoError(t, g.Wait())
	statuses, ids := map[int]int{}, map[string]bool{}
	for _, r := range results {
		var j job
		r.into(&j)
		statuses[r.Status]++
		ids[j.ID] = true
	}
	require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusOK: len(results) - 1}, statuses)
	require.Len(t, ids, 1)
	ada.do("POST", "/api/v1/captions", map[string]any{"upload_id": two.ID}, key).refused(http.StatusConflict, "idempotency_key_reused")
	ada.caption(two.ID, nil, header("Idempotency-Key", "another request"))
	ada.do("POST", "/api/v1/captions", map[string]any{"upload_id": two.ID}, header("Idempotency-Key", strings.Repeat("k", 129)), breaking).
		refused(http.StatusBadRequest, "bad_idempotency_key")
	require.Len(t, ada.list(nil).Captions, 2)
	// The keys of one user are nothing to another.
	hers := eve.upload("e.mp4", e.Fixtures.bytes(t, "mute.mp4"))
	require.NotContains(t, ids, eve.caption(hers.ID, nil, key).ID)
}

// lists pages through jobs and filters them.
func lists(t *testing.T, e *Env) {
	ada := e.user(t)
	up := ada.upload("mute.mp4", e.Fixtures.bytes(t, "mute.mp4"))
	var want []string
	for i := range 5 {
		want = append(want, ada.caption(up.ID, map[string]any{"title": fmt.Sprintf("Episode %d", i)}).ID)
	}
	for _, id := range want {
		ada.await(id)
	}
	slices.Reverse(want) // The newest is first.
	var got []string
	query := url.Values{"limit": {"2"}}
	for pages := 1; ; pages++ {
		l := ada.list(query)
		for _, j := range l.Captions {
			got = append(got, j.ID)
		}
		if l.NextCursor == nil {
			require.Equal(t, 3, pages)
			break
		}
		query.Set("cursor", *l.NextCursor)
	}
	require.Equal(t, want, got)
	require.Len(t, ada.list(url.Values{"state": {"skipped,failed"}}).Captions, 5)
	require.Empty(t, ada.list(url.Values{"state": {"processed"}}).Captions)
	require.Len(t, ada.list(url.Values{"q": {"episode 3"}}).Captions, 1)
	require.Len(t, ada.list(url.Values{"upload_id": {up.ID}}).Captions, 5)
	require.Empty(t, ada.list(url.Values{"upload_id": {want[0]}}).Captions)
	for query, code := range map[string]string{
		"limit=0": "bad_limit", "limit=101": "bad_limit", "limit=x": "bad_limit", "state=ready": "bad_state",
		"q=" + strings.Repeat("a", 201): "bad_search", "cursor=garbage": "",
	} {
		ada.do("GET", "/api/v1/captions?"+query, nil, breaking).refused(http.StatusBadRequest, code)
	}
	ada.do("GET", "/api/v1/captions/options", nil).is(http.StatusOK)
}

// containers captions the same sentence in every kind of file.
func containers(t *testing.T, e *Env) {
	ada := e.user(t)
	jobs := map[string]job{}
	for _, ext := range []string{"mp4", "mov", "mkv", "webm", "avi", "ts", "mp3", "m4a", "wav", "flac", "ogg", "opus"} {
		up := ada.upload("short."+ext, e.Fixtures.bytes(t, "short."+ext))
		jobs[ext] = ada.caption(up.ID, nil)
	}
	for _, ext := range slices.Sorted(maps.Keys(jobs)) {
		tr := ada.processed(jobs[ext].ID)
		says(t, tr.Cues, shortWords)
	}
}

// nothingToCaption is about videos without sound, and with nothing but silence.
func nothingToCaption(t *testing.T, e *Env) {
	ada := e.user(t)
	mute, silent := ada.upload("mute.mp4", e.Fixtures.bytes(t, "mute.mp4")), ada.upload("silence.mp4", e.Fixtures.bytes(t, "silence.mp4"))
	skipped, empty := ada.caption(mute.ID, nil), ada.caption(silent.ID, nil)
	j := ada.await(skipped.ID)
	require.Equal(t, "skipped", j.State)
	require.NotNil(t, j.Reason)
	require.Equal(t, "no_audio", j.Reason.Code)
	ada.do("GET", "/api/v1/result/"+j.ID+"?format=srt", nil).refused(http.StatusConflict, "not_processed")
	ada.do("POST", "/api/v1/captions/"+j.ID+"/retry", nil).refused(http.StatusConflict, "job_not_retryable")

	tr := ada.processed(empty.ID)
	require.Empty(t, tr.Cues, "words were invented")
	require.Empty(t, tr.Words)
	vtt := ada.do("GET", "/api/v1/result/"+empty.ID+"?format=vtt", nil).is(http.StatusOK)
	require.Equal(t, "WEBVTT", strings.TrimSpace(string(vtt.Body)))
	for _, format := range []string{"srt", "txt", "json"} {
		ada.do("GET", "/api/v1/result/"+empty.ID+"?format="+format, nil).is(http.StatusOK)
	}
}
