package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func testCreateJob(t *testing.T, s Store) {
	for _, j := range []caption.Job{newJob(), fullJob()} {
		want := withSeq(j, 1)
		j.Seq, j.Done = 99, 99 // The store counts these itself.
		requireEqual(t, want, create(t, s, j))
		requireJob(t, s, want)
	}
	_, err := s.Job(t.Context(), caption.NewID())
	requireKind(t, caption.KindNotFound, err)
	_, err = s.Job(t.Context(), "")
	requireKind(t, caption.KindNotFound, err)
}

func testCreateJobTimes(t *testing.T, s Store) {
	before := time.Now().Truncate(time.Millisecond)
	j := newJob()
	j.Created, j.Updated = time.Time{}, time.Time{}
	stored := create(t, s, j)
	for _, at := range []time.Time{stored.Created, stored.Updated} {
		require.False(t, at.Before(before))
		require.False(t, at.After(time.Now()))
	}
	requireJob(t, s, stored)

	j = newJob()
	j.Created = day.In(time.FixedZone("east", 3600)).Add(123456 * time.Nanosecond)
	j.Finished = day.Add(999999 * time.Nanosecond)
	stored = create(t, s, j)
	want := withSeq(j, 1)
	want.Created, want.Finished = day, day
	requireEqual(t, want, stored)
	requireJob(t, s, want)
}

func testIdempotencyKey(t *testing.T, s Store) {
	first, created, err := s.CreateJob(t.Context(), newJob(), "key")
	require.NoError(t, err)
	require.True(t, created)
	// The job is returned as it is by now.
	first, err = s.UpdateJob(t.Context(), first.ID, func(j *caption.Job) error { j.State = caption.Preparing; return nil })
	require.NoError(t, err)
	second := newJob()
	again, created, err := s.CreateJob(t.Context(), second, "key")
	require.NoError(t, err)
	require.False(t, created)
	requireEqual(t, first, again)
	_, err = s.Job(t.Context(), second.ID)
	requireKind(t, caption.KindNotFound, err)

	// Another owner's key is another key, and no key is none.
	other := newJob()
	other.Owner = "owner-b"
	stored, created, err := s.CreateJob(t.Context(), other, "key")
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, other.ID, stored.ID)
	create(t, s, newJob())
	create(t, s, newJob())

	// Deleting the job frees its key.
	require.NoError(t, s.DeleteJob(t.Context(), first.ID))
	stored, created, err = s.CreateJob(t.Context(), second, "key")
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, second.ID, stored.ID)
}

func testIdempotencyRace(t *testing.T, s Store) {
	const rounds, n = 5, 20
	for round := range rounds {
		ids, errs := make([]string, n), make([]error, n)
		var won atomic.Int32
		together(n, func(i int) {
			j, created, err := s.CreateJob(t.Context(), newJob(), fmt.Sprint("key", round))
			ids[i], errs[i] = j.ID, err
			if created {
				won.Add(1)
			}
		})
		require.NoError(t, errors.Join(errs...))
		require.EqualValues(t, 1, won.Load())
		for _, id := range ids {
			require.Equal(t, ids[0], id)
		}
	}
	require.Len(t, list(t, s, caption.JobQuery{Owner: owner, Limit: 100}), rounds)
}

func testUpdateJob(t *testing.T, s Store) {
	old := create(t, s, newJob())
	before := time.Now().Truncate(time.Millisecond)
	full := fullJob()
	got, err := s.UpdateJob(t.Context(), old.ID, func(j *caption.Job) error {
		requireEqual(t, old, *j)
		*j = full // Its ID, Owner, Seq, Done and Created are not for sale.
		j.Owner, j.Seq, j.Done, j.Created = "owner-b", 77, 77, day.Add(-time.Hour)
		return nil
	})
	require.NoError(t, err)
	require.False(t, got.Updated.Before(before))
	want := full
	want.ID, want.Owner, want.Seq, want.Done, want.Created, want.Updated = old.ID, old.Owner, 2, 0, old.Created, got.Updated
	requireEqual(t, want, got)
	requireJob(t, s, want)

	// What was set can be unset.
	got, err = s.UpdateJob(t.Context(), old.ID, func(j *caption.Job) error {
		*j = caption.Job{}
		return nil
	})
	require.NoError(t, err)
	want = caption.Job{ID: old.ID, Owner: old.Owner, Seq: 3, Created: old.Created, Updated: got.Updated}
	requireEqual(t, want, got)
	requireJob(t, s, want)
}

func testUpdateJobErrors(t *testing.T, s Store) {
	j := create(t, s, newJob())
	boom := errors.New("boom")
	_, err := s.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error {
		j.State = caption.Failed
		return boom
	})
	require.Equal(t, boom, err, "as it is, not wrapped")
	requireJob(t, s, j)

	for _, unchanged := range []error{caption.ErrUnchanged, fmt.Errorf("why: %w", caption.ErrUnchanged)} {
		got, err := s.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error {
			j.State = caption.Failed
			return unchanged
		})
		require.NoError(t, err)
		requireEqual(t, j, got)
		requireJob(t, s, j)
	}

	_, err = s.UpdateJob(t.Context(), caption.NewID(), func(*caption.Job) error { return nil })
	requireKind(t, caption.KindNotFound, err)

	// A job that is deleted while it is being changed does not rise again.
	_, err = s.UpdateJob(t.Context(), j.ID, func(*caption.Job) error { return s.DeleteJob(t.Context(), j.ID) })
	requireKind(t, caption.KindNotFound, err)
	_, err = s.Job(t.Context(), j.ID)
	requireKind(t, caption.KindNotFound, err)
}

func testUpdateJobRace(t *testing.T, s Store) {
	j := create(t, s, newJob())
	const n, each = 20, 10
	errs := make([]error, n)
	seqs := make([][]int64, n)
	together(n, func(i int) {
		for range each {
			j, err := s.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error {
				j.Run++
				return nil
			})
			errs[i] = errors.Join(errs[i], err)
			seqs[i] = append(seqs[i], j.Seq)
		}
	})
	require.NoError(t, errors.Join(errs...))
	got, err := s.Job(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, j.Run+n*each, got.Run, "an update was lost")
	require.Equal(t, j.Seq+n*each, got.Seq)
	seen := map[int64]bool{}
	for _, of := range seqs {
		for _, seq := range of {
			require.False(t, seen[seq], "two changes have Seq %d", seq)
			seen[seq] = true
		}
	}
}

func testDeleteJob(t *testing.T, s Store) {
	gone, kept := create(t, s, newJob()), create(t, s, newJob())
	for _, j := range []caption.Job{gone, kept} {
		_, _, err := s.SaveSegment(t.Context(), j.ID, segment(0))
		require.NoError(t, err)
		_, err = s.SaveTranscript(t.Context(), transcriptOf(j.ID, "some words"))
		require.NoError(t, err)
	}
	require.NoError(t, s.DeleteJob(t.Context(), gone.ID))
	require.NoError(t, s.DeleteJob(t.Context(), gone.ID), "an unknown id is no error")

	_, err := s.Job(t.Context(), gone.ID)
	requireKind(t, caption.KindNotFound, err)
	_, err = s.Transcript(t.Context(), gone.ID)
	requireKind(t, caption.KindNotFound, err)
	segments, err := s.Segments(t.Context(), gone.ID, 0)
	require.NoError(t, err)
	require.Empty(t, segments)
	require.Equal(t, []string{kept.ID}, list(t, s, caption.JobQuery{Owner: owner, Limit: 10}))
	require.Equal(t, []string{kept.ID}, list(t, s, caption.JobQuery{Owner: owner, Text: "words", Limit: 10}))
	n, err := s.CountJobs(t.Context(), owner)
	require.NoError(t, err)
	require.Equal(t, 1, n)

	// Late results of the job that is gone find nothing to belong to, even when its id is used again.
	_, _, err = s.SaveSegment(t.Context(), gone.ID, segment(1))
	requireKind(t, caption.KindNotFound, err)
	_, err = s.SaveTranscript(t.Context(), transcriptOf(gone.ID, "late"))
	requireKind(t, caption.KindNotFound, err)
	create(t, s, gone)
	segments, err = s.Segments(t.Context(), gone.ID, 0)
	require.NoError(t, err)
	require.Empty(t, segments)
	require.Equal(t, []string{kept.ID}, list(t, s, caption.JobQuery{Owner: owner, Text: "words", Limit: 10}))

	// The other job is whole.
	segments, err = s.Segments(t.Context(), kept.ID, 0)
	require.NoError(t, err)
	require.Len(t, segments, 1)
	_, err = s.Transcript(t.Context(), kept.ID)
	require.NoError(t, err)
}
