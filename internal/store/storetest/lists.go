package storetest

import (
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func testListFilters(t *testing.T, s Store) {
	video := caption.NewID()
	var jobs []caption.Job
	for i, state := range []caption.State{caption.Queued, caption.Transcribing, caption.Processed, caption.Failed, caption.Processed} {
		j := newJob()
		j.State, j.Created = state, day.Add(time.Duration(i)*time.Hour)
		if i%2 == 0 {
			j.VideoID = video
		}
		jobs = append(jobs, create(t, s, j))
	}
	for _, c := range []struct {
		name string
		q    caption.JobQuery
		want []int
	}{
		{"all, newest first", caption.JobQuery{}, []int{4, 3, 2, 1, 0}},
		{"a state", caption.JobQuery{States: []caption.State{caption.Processed}}, []int{4, 2}},
		{"states", caption.JobQuery{States: []caption.State{caption.Queued, caption.Failed}}, []int{3, 0}},
		{"a state that none is in", caption.JobQuery{States: []caption.State{caption.Skipped}}, []int{}},
		{"a video", caption.JobQuery{VideoID: video}, []int{4, 2, 0}},
		{"a video and a state", caption.JobQuery{VideoID: video, States: []caption.State{caption.Queued}}, []int{0}},
		{"another video", caption.JobQuery{VideoID: caption.NewID()}, []int{}},
	} {
		want := []string{}
		for _, i := range c.want {
			want = append(want, jobs[i].ID)
		}
		for _, limit := range []int{1, 2, 5, 100} {
			c.q.Owner, c.q.Limit = owner, limit
			require.Equal(t, want, list(t, s, c.q), "%s, by %d", c.name, limit)
		}
	}
	page, err := s.ListJobs(t.Context(), caption.JobQuery{Owner: owner, Limit: 5})
	require.NoError(t, err)
	for i, hit := range page.Jobs {
		requireEqual(t, caption.JobHit{Job: jobs[4-i]}, hit)
	}
}

func testListPages(t *testing.T, s Store) {
	const n = 43
	var want []string
	for i := range n {
		j := newJob()
		j.Created = day.Add(time.Duration(i) * time.Millisecond)
		want = append(want, create(t, s, j).ID)
	}
	slices.Reverse(want)
	for _, limit := range []int{1, 7, n - 1, n, n + 1} {
		require.Equal(t, want, list(t, s, caption.JobQuery{Owner: owner, Limit: limit}))
	}
}

// testListPagesSameTime has jobs that only their ids tell apart.
func testListPagesSameTime(t *testing.T, s Store) {
	const n = 20
	var want []string
	for range n {
		want = append(want, create(t, s, newJob()).ID)
	}
	for _, limit := range []int{1, 3, n} {
		got := list(t, s, caption.JobQuery{Owner: owner, Limit: limit})
		require.ElementsMatch(t, want, got)
		require.Equal(t, list(t, s, caption.JobQuery{Owner: owner, Limit: 100}), got, "pages of all sizes have one order")
	}
}

func testListWhileInserting(t *testing.T, s Store) {
	const n = 12
	now := day
	var want []string
	add := func() string {
		j := newJob()
		now = now.Add(time.Second)
		j.Created = now
		return create(t, s, j).ID
	}
	for range n {
		want = append(want, add())
	}
	slices.Reverse(want)
	q := caption.JobQuery{Owner: owner, Limit: 5}
	var got []string
	for {
		page, err := s.ListJobs(t.Context(), q)
		require.NoError(t, err)
		for _, h := range page.Jobs {
			got = append(got, h.Job.ID)
		}
		add()
		// The job at the cursor may go, too.
		require.NoError(t, s.DeleteJob(t.Context(), got[len(got)-1]))
		if page.Next == "" {
			break
		}
		q.Cursor = page.Next
	}
	require.Equal(t, want, got)
}

// testListWhileChanging changes jobs between the pages, also such as the next page begins behind, with and without a search.
func testListWhileChanging(t *testing.T, s Store) {
	const n = 12
	var want []string
	for i := range n {
		j := newJob()
		j.Created = day.Add(time.Duration(i/2) * time.Second) // pairs of the same time
		create(t, s, j)
		_, err := s.SaveTranscript(t.Context(), transcriptOf(j.ID, "common words"))
		require.NoError(t, err)
		want = append(want, j.ID)
	}
	for _, text := range []string{"", "common"} {
		q := caption.JobQuery{Owner: owner, Text: text, Limit: 5}
		var got []string
		for {
			page, err := s.ListJobs(t.Context(), q)
			require.NoError(t, err)
			for _, h := range page.Jobs {
				got = append(got, h.Job.ID)
			}
			for _, id := range want {
				_, err := s.UpdateJob(t.Context(), id, func(j *caption.Job) error {
					j.State, j.Title = caption.Processed, j.Title+" more"
					return nil
				})
				require.NoError(t, err)
				transcript, err := s.Transcript(t.Context(), id)
				require.NoError(t, err)
				_, err = s.SaveTranscript(t.Context(), transcript)
				require.NoError(t, err)
			}
			if page.Next == "" {
				break
			}
			q.Cursor = page.Next
		}
		require.ElementsMatch(t, want, got, "%q", text)
	}
}

func testListInvalid(t *testing.T, s Store) {
	for range 3 {
		create(t, s, newJob())
	}
	for _, limit := range []int{-1, 0, 101} {
		_, err := s.ListJobs(t.Context(), caption.JobQuery{Owner: owner, Limit: limit})
		requireKind(t, caption.KindInvalid, err)
	}
	page, err := s.ListJobs(t.Context(), caption.JobQuery{Owner: owner, Limit: 1})
	require.NoError(t, err)
	for _, cursor := range []string{
		"x", "!!!", page.Next + "!", page.Next[1:] + page.Next[:1], base64.RawURLEncoding.EncodeToString([]byte("{}")), "' or 1=1 --", "\x00",
	} {
		_, err := s.ListJobs(t.Context(), caption.JobQuery{Owner: owner, Limit: 1, Cursor: cursor})
		requireCode(t, caption.KindInvalid, "bad_cursor", err)
	}
	// A cursor opens no other owner's list.
	got, err := s.ListJobs(t.Context(), caption.JobQuery{Owner: "owner-b", Limit: 1, Cursor: page.Next})
	require.NoError(t, err)
	require.Empty(t, got.Jobs)
}

func testNotEnqueued(t *testing.T, s Store) {
	add := func(change func(*caption.Job)) string {
		j := newJob()
		change(&j)
		return create(t, s, j).ID
	}
	late := add(func(j *caption.Job) { j.Updated = day.Add(2 * time.Minute) })
	early := add(func(j *caption.Job) { j.Updated = day.Add(time.Minute) })
	other := add(func(j *caption.Job) { j.Updated, j.Owner = day.Add(3*time.Minute), "owner-b" })
	atLimit := add(func(j *caption.Job) { j.Updated = day.Add(time.Hour) })
	add(func(j *caption.Job) { j.Enqueued = true })
	add(func(j *caption.Job) { j.State = caption.Cancelled })

	find := func(before time.Time, limit int) (ids []string) {
		jobs, err := s.NotEnqueued(t.Context(), before, limit)
		require.NoError(t, err)
		for _, j := range jobs {
			requireJob(t, s, j)
			ids = append(ids, j.ID)
		}
		return ids
	}
	require.Equal(t, []string{early, late, other}, find(day.Add(time.Hour), 10))
	require.Equal(t, []string{early, late, other, atLimit}, find(day.Add(time.Hour+time.Millisecond), 10))
	require.Equal(t, []string{early, late}, find(day.Add(time.Hour), 2))
	require.Empty(t, find(day, 10))

	_, err := s.UpdateJob(t.Context(), early, func(j *caption.Job) error { j.Enqueued = true; return nil })
	require.NoError(t, err)
	require.Equal(t, []string{late, other}, find(day.Add(time.Hour), 10))
}

func testCountJobs(t *testing.T, s Store) {
	for i, state := range caption.States {
		for range i + 1 {
			j := newJob()
			j.State = state
			create(t, s, j)
		}
	}
	count := func(owner string, states ...caption.State) int {
		n, err := s.CountJobs(t.Context(), owner, states...)
		require.NoError(t, err)
		return n
	}
	all := 0
	for i, state := range caption.States {
		require.Equal(t, i+1, count(owner, state), state)
		all += i + 1
	}
	require.Equal(t, all, count(owner))
	require.Equal(t, all, count(owner, caption.States...))
	require.Equal(t, 3, count(owner, caption.Queued, caption.Preparing))
	require.Zero(t, count("owner-b"))
	require.Zero(t, count(""))
}

func testOwners(t *testing.T, s Store) {
	a, b := newJob(), newJob()
	b.Owner, b.VideoID = "owner-b", a.VideoID
	for _, j := range []caption.Job{a, b} {
		create(t, s, j)
		_, err := s.SaveTranscript(t.Context(), transcriptOf(j.ID, "the same words"))
		require.NoError(t, err)
	}
	for who, want := range map[string][]string{owner: {a.ID}, "owner-b": {b.ID}, "": {}, "owner": {}, "%": {}, "owner-a' or '1'='1": {}} {
		for _, q := range []caption.JobQuery{{}, {VideoID: a.VideoID}, {States: caption.States}, {Text: "words"}, {Text: "talk"}} {
			q.Owner, q.Limit = who, 10
			require.Equal(t, want, list(t, s, q), "%+v", q)
		}
		n, err := s.CountJobs(t.Context(), who)
		require.NoError(t, err)
		require.Len(t, want, n)
	}
}
