package storetest

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// testReplicas lets processes that share a store get into each other's way: nothing that one keeps in memory may count.
func testReplicas(t *testing.T, open func(t *testing.T) Store) {
	const replicas, each = 4, 10
	stores := make([]Store, replicas)
	for i := range stores {
		stores[i] = open(t)
	}
	errs := make([]error, replicas*each)
	everywhere := func(f func(s Store, i int) error) {
		together(len(errs), func(i int) { errs[i] = f(stores[i%replicas], i) })
		require.NoError(t, errors.Join(errs...))
	}

	// One key makes one job.
	ids := make([]string, len(errs))
	var created atomic.Int32
	everywhere(func(s Store, i int) error {
		j, isNew, err := s.CreateJob(t.Context(), newJob(), "key")
		if isNew {
			created.Add(1)
		}
		ids[i] = j.ID
		return err
	})
	require.EqualValues(t, 1, created.Load())
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	id := ids[0]

	// No change is lost, and each replica reads what another has just stored.
	var firsts atomic.Int32
	everywhere(func(s Store, i int) error {
		_, err := s.UpdateJob(t.Context(), id, func(j *caption.Job) error { j.Run++; return nil })
		if err != nil {
			return err
		}
		_, first, err := s.SaveSegment(t.Context(), id, segment(i/2))
		if first {
			firsts.Add(1)
		}
		return err
	})
	require.EqualValues(t, len(errs)/2, firsts.Load())
	for _, s := range stores {
		j, err := s.Job(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 1+len(errs), j.Run)
		require.Equal(t, len(errs)/2, j.Done)
		require.EqualValues(t, 1+len(errs)+len(errs)/2, j.Seq)
		missing, err := s.MissingSegments(t.Context(), id, len(errs)/2)
		require.NoError(t, err)
		require.Empty(t, missing)
	}
	for i, s := range stores {
		next := stores[(i+1)%replicas]
		stored, err := s.SaveTranscript(t.Context(), transcriptOf(id, "one"))
		require.NoError(t, err)
		got, err := next.Transcript(t.Context(), id)
		require.NoError(t, err)
		requireEqual(t, stored, got)
		require.Len(t, list(t, next, caption.JobQuery{Owner: owner, Text: "one", Limit: 10}), 1)
		require.NoError(t, s.DeleteJob(t.Context(), id))
		_, err = next.Job(t.Context(), id)
		requireKind(t, caption.KindNotFound, err)
		j, _, err := next.CreateJob(t.Context(), newJob(), "key")
		require.NoError(t, err)
		id = j.ID
	}
}
