package storetest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// segment returns a result with words in it, whole and partial.
func segment(index int) caption.SegmentResult {
	confidence, none := 0.875, 0.0
	start := caption.Millis(index * 60_000)
	return caption.SegmentResult{
		Index: index, Start: start, End: start + 59_999, Language: "en", Engine: "pocketsphinx",
		Words: []caption.Word{
			{Text: "Hello,", Start: start + 1, End: start + 333, Confidence: &confidence, Speaker: "Speaker 1"},
			{Text: "\"wörld\" \x01", Start: start + 334, End: start + 1000, Confidence: &none},
			{Text: "again", Start: start + 1001, End: start + 1002},
		},
	}
}

func testSaveSegment(t *testing.T, s Store) {
	j := create(t, s, newJob())
	before := time.Now().Truncate(time.Millisecond)
	got, first, err := s.SaveSegment(t.Context(), j.ID, segment(3))
	require.NoError(t, err)
	require.True(t, first)
	require.False(t, got.Updated.Before(before))
	want := j
	want.Done, want.Seq, want.Updated = 1, 2, got.Updated
	requireEqual(t, want, got)
	requireJob(t, s, want)

	// The second result changes nothing, whatever it says.
	second := segment(3)
	second.Words, second.Engine = nil, "another"
	got, first, err = s.SaveSegment(t.Context(), j.ID, second)
	require.NoError(t, err)
	require.False(t, first)
	requireEqual(t, want, got)
	requireJob(t, s, want)
	segments, err := s.Segments(t.Context(), j.ID, 0)
	require.NoError(t, err)
	requireEqual(t, []caption.SegmentResult{segment(3)}, segments)

	_, _, err = s.SaveSegment(t.Context(), caption.NewID(), segment(0))
	requireKind(t, caption.KindNotFound, err)
}

func testSegments(t *testing.T, s Store) {
	a, b := create(t, s, newJob()), create(t, s, newJob())
	silent := caption.SegmentResult{Index: 10, Start: 600_000, End: 660_000, Engine: "pocketsphinx"}
	for _, r := range []caption.SegmentResult{segment(2), silent, segment(0), segment(9), segment(1)} {
		_, _, err := s.SaveSegment(t.Context(), a.ID, r)
		require.NoError(t, err)
	}
	for from, want := range map[int][]caption.SegmentResult{
		0:  {segment(0), segment(1), segment(2), segment(9), silent},
		2:  {segment(2), segment(9), silent},
		3:  {segment(9), silent},
		11: nil,
	} {
		got, err := s.Segments(t.Context(), a.ID, from)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i := range want {
			requireEqual(t, want[i], got[i])
		}
	}
	for _, c := range []struct {
		job  string
		n    int
		want []int
	}{
		{a.ID, 12, []int{3, 4, 5, 6, 7, 8, 11}},
		{a.ID, 11, []int{3, 4, 5, 6, 7, 8}},
		{a.ID, 5, []int{3, 4}},
		{a.ID, 3, []int{}},
		{a.ID, 0, []int{}},
		{b.ID, 2, []int{0, 1}},
		{caption.NewID(), 2, []int{0, 1}},
	} {
		got, err := s.MissingSegments(t.Context(), c.job, c.n)
		require.NoError(t, err)
		require.ElementsMatch(t, c.want, got)
		require.IsIncreasing(t, append([]int{-1}, append(got, c.n)...))
	}
	got, err := s.Segments(t.Context(), b.ID, 0)
	require.NoError(t, err)
	require.Empty(t, got)
}

func testSaveSegmentRace(t *testing.T, s Store) {
	j := create(t, s, newJob())
	const segments, results = 10, 4 // each segment's result arrives so many times
	errs := make([]error, segments*results)
	var firsts atomic.Int32
	together(len(errs), func(i int) {
		_, first, err := s.SaveSegment(t.Context(), j.ID, segment(i%segments))
		errs[i] = err
		if first {
			firsts.Add(1)
		}
	})
	require.NoError(t, errors.Join(errs...))
	require.EqualValues(t, segments, firsts.Load())
	got, err := s.Job(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, segments, got.Done)
	require.Equal(t, j.Seq+segments, got.Seq)
	stored, err := s.Segments(t.Context(), j.ID, 0)
	require.NoError(t, err)
	require.Len(t, stored, segments)
}

// testSaveSegmentWithUpdate lets both ways to change a job run into each other.
func testSaveSegmentWithUpdate(t *testing.T, s Store) {
	j := create(t, s, newJob())
	const n = 20
	errs := make([]error, 2*n)
	together(2*n, func(i int) {
		if i < n {
			_, _, errs[i] = s.SaveSegment(t.Context(), j.ID, segment(i))
			return
		}
		_, errs[i] = s.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error {
			j.Run++
			return nil
		})
	})
	require.NoError(t, errors.Join(errs...))
	got, err := s.Job(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, n, got.Done)
	require.Equal(t, j.Run+n, got.Run)
	require.Equal(t, j.Seq+2*n, got.Seq)
}
