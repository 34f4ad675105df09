package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// killSettings: with one worker, a kill can interrupt one task. The limit of attempts is out of the way, because a task
// may be unlucky several times.
var killSettings = map[string]string{"WORKERS": "1", "MAX_ATTEMPTS": "100"}

// killAtRandomMoments kills the program again and again while it works on many short jobs. Every job that was asked for
// must be done, once, and each kill may cost the one task that was being worked on.
func killAtRandomMoments(t *testing.T, e *Env) {
	ada := e.user(t)
	up := ada.upload("tiny.wav", e.Fixtures.bytes(t, "tiny.wav"))
	const jobs, kills = 50, 10
	submit := func(i int) (*response, error) {
		return ada.try("POST", "/api/v1/captions", map[string]any{"upload_id": up.ID}, header("Idempotency-Key", fmt.Sprint("job ", i)))
	}
	ids := map[string]bool{}
	accepted := func(r *response, err error) {
		require.NoError(t, err)
		require.Contains(t, []int{http.StatusOK, http.StatusCreated}, r.Status, "%s", r.Body)
		var j job
		r.into(&j)
		ids[j.ID] = true
	}
	next := 0
	for range kills {
		for range jobs/kills - 1 {
			accepted(submit(next))
			next++
		}
		time.Sleep(rand.N(2500 * time.Millisecond))
		// One request is on its way when the program dies. Whether it was accepted is not known, so it is made again.
		var g errgroup.Group
		g.Go(func() error {
			_, _ = submit(next) // The answer may be lost; that is the point.
			return nil
		})
		time.Sleep(rand.N(20 * time.Millisecond))
		e.Kill(t)
		require.NoError(t, g.Wait())
		e.Start(t)
		accepted(submit(next))
		next++
	}
	require.Len(t, ids, jobs)

	// As long as something moves it is only slow.
	for left, moved := unfinished(ada); left > 0; {
		before := moved
		eventually(t, fmt.Sprintf("one of %d unfinished jobs goes on", left), func() bool {
			left, moved = unfinished(ada)
			return left == 0 || moved != before
		})
	}
	all := ada.list(url.Values{"limit": {"100"}}).Captions
	require.Len(t, all, jobs, "jobs were lost or made twice")
	for _, j := range all {
		require.Contains(t, ids, j.ID)
		tr := ada.processed(j.ID)
		require.Equal(t, 1, tr.Version, "job %s was processed twice", j.ID)
		require.Equal(t, *j.Segments, j.SegmentsDone)
		says(t, tr.Cues, tinyWords)
	}
	again := redone(e.Tasks(t))
	t.Logf("%d kills cost %d tasks", kills, again)
	require.LessOrEqual(t, again, kills, "more than one task was redone for a kill")
}

// unfinished returns how many jobs are not done, and a number that changes whenever one of them does.
func unfinished(u *user) (left int, moved int64) {
	for _, j := range u.list(url.Values{"state": {"queued,preparing,transcribing,assembling"}, "limit": {"100"}}).Captions {
		left++
		moved += j.Seq
	}
	return left, moved
}

// redone counts how often tasks were handled again.
func redone(records []TaskRecord) int {
	type key struct {
		job, kind string
		segment   int
	}
	attempts := map[key]int{}
	for _, r := range records {
		k := key{r.JobID, r.Kind, r.Segment}
		attempts[k] = max(attempts[k], r.Attempt)
	}
	n := 0
	for _, a := range attempts {
		n += a - 1
	}
	return n
}

// stopInTheMiddle ends the program in order while it works. Work that was interrupted is given back and does not count.
func stopInTheMiddle(t *testing.T, e *Env) {
	ada := e.user(t)
	up := ada.upload("long.mp4", e.Fixtures.bytes(t, "long.mp4"))
	first, second := ada.caption(up.ID, nil), ada.caption(ada.upload("tiny.mp4", e.Fixtures.bytes(t, "tiny.mp4")).ID, nil)
	f, ctx, ticket := follower{contract: e.contract}, within(t), ada.ticket(first.ID)
	var status websocket.StatusCode
	var g errgroup.Group
	g.Go(func() (err error) {
		status, err = f.byWebSocket(ctx, ada, first.ID, ticket)
		return err
	})
	ada.awaitThat(first.ID, func(j job) bool { return j.SegmentsDone > 0 })
	e.Signal(t)(t)
	require.NoError(t, g.Wait())
	if !f.last().ended() {
		require.Equal(t, websocket.StatusGoingAway, status, "clients are to connect again")
	}
	e.Start(t)
	for j, words := range map[string][]string{first.ID: longWords, second.ID: tinyWords} {
		tr := ada.processed(j)
		require.Equal(t, 1, tr.Version)
		says(t, tr.Cues, words)
	}
	require.Zero(t, redone(e.Tasks(t)), "an interruption counted as a failed attempt")
}

// uploadResumes sends a part, restarts the program, and goes on.
func uploadResumes(t *testing.T, e *Env) {
	ada := e.user(t)
	content := e.Fixtures.bytes(t, "big.avi")
	up := ada.createUpload("big.avi", int64(len(content)), "big.avi of Ada")
	require.Greater(t, up.PartCount, 1, "the fixture must be larger than a part")
	ada.sendParts(up, content, 1)
	signedBefore := ada.signParts(up.ID, 2)[0]
	e.Stop(t)
	e.Start(t)

	var l struct{ Uploads []upload }
	ada.do("GET", "/api/v1/uploads?state=uploading&fingerprint="+url.QueryEscape("big.avi of Ada"), nil).is(http.StatusOK).into(&l)
	require.Len(t, l.Uploads, 1)
	require.Equal(t, up.ID, l.Uploads[0].ID)
	var found upload
	ada.do("GET", "/api/v1/uploads/"+up.ID, nil).is(http.StatusOK).into(&found)
	require.Equal(t, []part{{Number: 1, Size: up.PartSize}}, found.Parts)
	ada.do("POST", "/api/v1/captions", map[string]any{"upload_id": up.ID}).refused(http.StatusConflict, "upload_incomplete")
	ada.do("POST", "/api/v1/uploads/"+up.ID+"/complete", nil).refused(http.StatusConflict, "")

	off := up.PartSize
	code, body := ada.put(signedBefore.URL, content[off:off+signedBefore.Size])
	require.Equal(t, http.StatusOK, code, "an address from before the restart: %s", body)
	if up.PartCount > 2 {
		ada.sendParts(up, content, allParts(up)[2:]...)
	}
	for range 2 { // Completing again changes nothing.
		ada.do("POST", "/api/v1/uploads/"+up.ID+"/complete", nil).is(http.StatusOK).into(&found)
		require.Equal(t, "complete", found.State)
		require.Equal(t, int64(len(content)), found.Size)
	}
	ada.do("GET", "/api/v1/uploads/"+up.ID, nil).is(http.StatusOK).into(&found)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, found.MediaURL, nil)
	require.NoError(t, err)
	res, err := ada.http.Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }() // It was only read.
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Zero(t, bytes.Compare(content, got), "the video is not what was sent")
	says(t, ada.processed(ada.caption(up.ID, nil).ID).Cues, talkWords)
}

// diskFull fills the disk, looks for clear answers, and makes room again.
func diskFull(t *testing.T, e *Env) {
	ada := e.user(t)
	content := e.Fixtures.bytes(t, "short.mp4")
	up := ada.upload("short.mp4", content)
	ada.processed(ada.caption(up.ID, nil).ID)
	started := ada.createUpload("started.mp4", int64(len(content)), "")
	signed := ada.signParts(started.ID, 1)[0]

	ballast := filepath.Join(e.DataDir(), "ballast")
	fill(t, ballast)
	// Reading works.
	require.Len(t, ada.list(nil).Captions, 1)
	ada.do("GET", "/api/v1/uploads/"+up.ID, nil).is(http.StatusOK)
	status, body := ada.put(signed.URL, content)
	require.NotEqual(t, http.StatusOK, status, "%s", body)
	// Writing is refused with a reason. What is accepted nonetheless is kept below.
	var accepted []job
	refusals := 0
	for i := range 40 {
		r := ada.do("POST", "/api/v1/captions", map[string]any{"upload_id": up.ID, "title": fmt.Sprint("full ", i)})
		if r.Status == http.StatusCreated {
			var j job
			r.into(&j)
			accepted = append(accepted, j)
			continue
		}
		r.refused(http.StatusServiceUnavailable, "storage_full")
		refusals++
		big := ada.do("POST", "/api/v1/uploads", map[string]any{"name": "x.mp4", "size": 10 << 20})
		if big.Status != http.StatusCreated {
			big.refused(http.StatusServiceUnavailable, "storage_full")
		}
	}
	require.NotZero(t, refusals, "the disk is not full")

	require.NoError(t, os.Remove(ballast))
	ada.sendParts(started, content, 1)
	ada.do("POST", "/api/v1/uploads/"+started.ID+"/complete", nil).is(http.StatusOK)
	says(t, ada.processed(ada.caption(started.ID, nil).ID).Cues, shortWords)
	for _, j := range accepted {
		if end := ada.await(j.ID); end.State == "failed" {
			require.Equal(t, "storage_full", end.Reason.Code)
			ada.do("POST", "/api/v1/captions/"+j.ID+"/retry", nil).is(http.StatusAccepted)
		}
		ada.processed(j.ID)
	}
}

// fill writes a file until the disk is full, to the last block.
func fill(t *testing.T, path string) {
	f, err := os.Create(path)
	require.NoError(t, err)
	defer func() { _ = f.Close() }() // A full disk may say so here again.
	for size := 1 << 20; size >= 512; size /= 2 {
		block := make([]byte, size)
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
		require.ErrorContains(t, err, "no space left")
	}
}
