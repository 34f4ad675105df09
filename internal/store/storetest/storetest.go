// Package storetest is the conformance suite of the store: what every adapter of [caption.Jobs], [caption.JobLists],
// [caption.Segments], [caption.Transcripts] and [caption.Videos] must do, whatever it is made of.
package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// Store is all that is tested.
type Store interface {
	caption.Jobs
	caption.JobLists
	caption.Segments
	caption.Transcripts
	caption.Videos
}

// Run runs the suite. For each test, place makes a new, empty store and returns the function that opens it; a store that is
// opened again, as by another process, has what was stored before. What was opened is closed when the test ends.
func Run(t *testing.T, place func(t *testing.T) (open func(t *testing.T) Store)) {
	for name, test := range map[string]func(*testing.T, Store){
		"CreateJob":             testCreateJob,
		"CreateJobTimes":        testCreateJobTimes,
		"IdempotencyKey":        testIdempotencyKey,
		"IdempotencyRace":       testIdempotencyRace,
		"UpdateJob":             testUpdateJob,
		"UpdateJobErrors":       testUpdateJobErrors,
		"UpdateJobRace":         testUpdateJobRace,
		"DeleteJob":             testDeleteJob,
		"SaveSegment":           testSaveSegment,
		"SaveSegmentRace":       testSaveSegmentRace,
		"SaveSegmentWithUpdate": testSaveSegmentWithUpdate,
		"Segments":              testSegments,
		"ListFilters":           testListFilters,
		"ListPages":             testListPages,
		"ListPagesSameTime":     testListPagesSameTime,
		"ListWhileInserting":    testListWhileInserting,
		"ListWhileChanging":     testListWhileChanging,
		"ListInvalid":           testListInvalid,
		"NotEnqueued":           testNotEnqueued,
		"CountJobs":             testCountJobs,
		"Owners":                testOwners,
		"Transcript":            testTranscript,
		"TranscriptConflict":    testTranscriptConflict,
		"Search":                testSearch,
		"SearchHits":            testSearchHits,
		"SearchFollowsChanges":  testSearchFollowsChanges,
		"SearchPages":           testSearchPages,
		"Video":                 testVideo,
		"VideoConflict":         testVideoConflict,
		"ListVideos":            testListVideos,
		"Cancelled":             testCancelled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, place(t)(t))
		})
	}
	for name, test := range map[string]func(*testing.T, func(*testing.T) Store){
		"Durable":  testDurable,
		"Replicas": testReplicas,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, place(t))
		})
	}
}

// day is a time in whole milliseconds, as stores keep it.
var day = time.Date(2026, 3, 1, 12, 0, 0, int(7*time.Millisecond), time.UTC)

const owner = "owner-a"

// newJob returns a job with nothing but what every job has.
func newJob() caption.Job {
	return caption.Job{ID: caption.NewID(), Owner: owner, VideoID: caption.NewID(), Title: "talk.mp4", State: caption.Queued, Run: 1,
		Created: day, Updated: day}
}

// fullJob returns a job of which every field is set.
func fullJob() caption.Job {
	return caption.Job{
		ID: caption.NewID(), Owner: owner, VideoID: caption.NewID(), Title: "Grüße \"from\" 東京 \U0001F3AC.mp4",
		Options: caption.Options{Language: "de-AT", Engine: "pocketsphinx", Profile: "bbc", AudioTrack: 2, Diarize: true},
		State:   caption.Failed, Reason: &caption.Reason{Code: "no_speech", Message: "Nobody speaks."},
		Seq: 1, Enqueued: true, Run: 3, Duration: 10_800_123, Segments: 180, Engine: "deepgram", Language: "de",
		Created: day, Updated: day.Add(time.Second), TranscribeT: day.Add(time.Minute), DoneAtStart: 7, Finished: day.Add(time.Hour),
	}
}

func create(t *testing.T, s Store, j caption.Job) caption.Job {
	t.Helper()
	stored, created, err := s.CreateJob(t.Context(), j, "")
	require.NoError(t, err)
	require.True(t, created)
	return stored
}

func requireJob(t *testing.T, s Store, want caption.Job) {
	t.Helper()
	got, err := s.Job(t.Context(), want.ID)
	require.NoError(t, err)
	requireEqual(t, want, got)
}

// requireEqual compares all, time zones included.
func requireEqual(t *testing.T, want, got any) {
	t.Helper()
	sameTime := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) && a.Location().String() == b.Location().String() })
	require.Empty(t, cmp.Diff(want, got, sameTime))
}

func requireKind(t *testing.T, want caption.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, caption.KindOf(err), "%v", err)
}

func requireCode(t *testing.T, want caption.Kind, code string, err error) {
	t.Helper()
	requireKind(t, want, err)
	require.Equal(t, code, caption.CodeOf(err))
}

// together runs f n times at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// list returns the ids of all jobs that match, page by page.
func list(t *testing.T, s Store, q caption.JobQuery) []string {
	t.Helper()
	ids := []string{}
	for range 1000 {
		page, err := s.ListJobs(t.Context(), q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Jobs), q.Limit)
		for _, h := range page.Jobs {
			ids = append(ids, h.Job.ID)
		}
		if page.Next == "" {
			return ids
		}
		require.Len(t, page.Jobs, q.Limit, "only the last page may be short")
		q.Cursor = page.Next
	}
	require.FailNow(t, "the list has no end")
	return nil
}

func testDurable(t *testing.T, open func(t *testing.T) Store) {
	s := open(t)
	j, _, err := s.CreateJob(t.Context(), fullJob(), "key")
	require.NoError(t, err)
	j, _, err = s.SaveSegment(t.Context(), j.ID, segment(0))
	require.NoError(t, err)
	transcript, err := s.SaveTranscript(t.Context(), transcriptOf(j.ID, "hello durable world"))
	require.NoError(t, err)
	v := caption.Video{ID: caption.NewID(), Owner: owner, State: caption.VideoUploading, Created: day, Touched: day}
	require.NoError(t, s.PutVideo(t.Context(), v))
	v.Version = 1

	s = open(t)
	requireJob(t, s, j)
	again, created, err := s.CreateJob(t.Context(), newJob(), "key")
	require.NoError(t, err)
	require.False(t, created)
	requireEqual(t, j, again)
	segments, err := s.Segments(t.Context(), j.ID, 0)
	require.NoError(t, err)
	requireEqual(t, []caption.SegmentResult{segment(0)}, segments)
	got, err := s.Transcript(t.Context(), j.ID)
	require.NoError(t, err)
	requireEqual(t, transcript, got)
	require.Equal(t, []string{j.ID}, list(t, s, caption.JobQuery{Owner: owner, Text: "durable", Limit: 10}))
	stored, err := s.Video(t.Context(), v.ID)
	require.NoError(t, err)
	requireEqual(t, v, stored)
}

// testCancelled shows that a call whose context is over does nothing and says so.
func testCancelled(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j := newJob()
	_, _, err := s.CreateJob(ctx, j, "")
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Job(t.Context(), j.ID)
	requireKind(t, caption.KindNotFound, err)
	create(t, s, j)
	_, err = s.Job(ctx, j.ID)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.ListJobs(ctx, caption.JobQuery{Owner: owner, Limit: 1})
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = s.SaveSegment(ctx, j.ID, segment(0))
	require.ErrorIs(t, err, context.Canceled)
	requireJob(t, s, withSeq(j, 1))
}

func withSeq(j caption.Job, seq int64) caption.Job {
	j.Seq = seq
	return j
}

func number(i int) string { return fmt.Sprintf("%04d", i) }
