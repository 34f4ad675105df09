package mongostore_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/store/mongostore"
)

const owner = "owner"

func newJob(title string) caption.Job {
	return caption.Job{ID: caption.NewID(), Owner: owner, VideoID: caption.NewID(), Title: title, State: caption.Queued, Run: 1}
}

func create(t *testing.T, s *mongostore.Store, title string) caption.Job {
	t.Helper()
	j, created, err := s.CreateJob(t.Context(), newJob(title), "")
	require.NoError(t, err)
	require.True(t, created)
	return j
}

func result(index int) caption.SegmentResult {
	return caption.SegmentResult{Index: index, Start: 0, End: 1000, Engine: "test", Words: []caption.Word{{Text: "word", Start: 1, End: 2}}}
}

func transcript(jobID, text string) caption.Transcript {
	return caption.Transcript{JobID: jobID, Engine: "test", Cues: []caption.Cue{{Start: 1, End: 2, Text: text}}}
}

func requireKind(t *testing.T, want caption.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, caption.KindOf(err), "%v", err)
}

func found(t *testing.T, s *mongostore.Store, text string) []string {
	t.Helper()
	page, err := s.ListJobs(t.Context(), caption.JobQuery{Owner: owner, Text: text, Limit: 100})
	require.NoError(t, err)
	ids := []string{}
	for _, h := range page.Jobs {
		ids = append(ids, h.Job.ID)
	}
	return ids
}

// TestCrashPoints lets a process die before each of its writes, and after each of them before it has the answer. What others
// see then must be right, and doing it again must end well.
func TestCrashPoints(t *testing.T) {
	server := newServer(t)
	at := newDatabase(t, server)
	cut := newCutter(t, hostOf(t, at))
	dying := open(t, mongostore.Config{URL: through(at, hostOf(t, at), cut.addr), Timeout: 10 * time.Second})
	other := open(t, mongostore.Config{URL: at, Timeout: time.Minute})

	for name, test := range map[string]func(t *testing.T) (do func(*mongostore.Store) error, look, end func()){
		"SaveSegment": func(t *testing.T) (func(*mongostore.Store) error, func(), func()) {
			j := create(t, other, "talk")
			look := func() {
				now, err := other.Job(t.Context(), j.ID)
				require.NoError(t, err)
				segments, err := other.Segments(t.Context(), j.ID, 0)
				require.NoError(t, err)
				missing, err := other.MissingSegments(t.Context(), j.ID, 1)
				require.NoError(t, err)
				require.Len(t, segments, now.Done)
				require.Len(t, missing, 1-now.Done)
				require.EqualValues(t, 1+now.Done, now.Seq)
			}
			return func(s *mongostore.Store) error { _, _, err := s.SaveSegment(t.Context(), j.ID, result(0)); return err }, look, func() {
				look()
				now, err := other.Job(t.Context(), j.ID)
				require.NoError(t, err)
				require.Equal(t, 1, now.Done)
			}
		},
		"CreateJob": func(t *testing.T) (func(*mongostore.Store) error, func(), func()) {
			word, key := caption.NewID(), caption.NewID()
			look := func() int {
				ids := found(t, other, word)
				for _, id := range ids {
					_, err := other.Job(t.Context(), id)
					require.NoError(t, err)
				}
				return len(ids)
			}
			do := func(s *mongostore.Store) error { _, _, err := s.CreateJob(t.Context(), newJob(word), key); return err }
			return do, func() { require.LessOrEqual(t, look(), 1) }, func() { require.Equal(t, 1, look()) }
		},
		"SaveTranscript": func(t *testing.T) (func(*mongostore.Store) error, func(), func()) {
			j, word := create(t, other, "talk"), caption.NewID()
			look := func() bool {
				_, err := other.Transcript(t.Context(), j.ID)
				if err != nil {
					requireKind(t, caption.KindNotFound, err)
				}
				require.Equal(t, err == nil, len(found(t, other, word)) == 1)
				return err == nil
			}
			do := func(s *mongostore.Store) error {
				_, err := s.SaveTranscript(t.Context(), transcript(j.ID, word))
				if caption.KindOf(err) == caption.KindPrecondition { // It has happened.
					err = nil
				}
				return err
			}
			return do, func() { look() }, func() { require.True(t, look()) }
		},
		"UpdateJob": func(t *testing.T) (func(*mongostore.Store) error, func(), func()) {
			before, after := caption.NewID(), caption.NewID()
			j := create(t, other, before)
			look := func() string {
				now, err := other.Job(t.Context(), j.ID)
				require.NoError(t, err)
				for _, title := range []string{before, after} {
					require.Len(t, found(t, other, title), map[bool]int{true: 1}[now.Title == title], "found by its present title, and no other")
				}
				return now.Title
			}
			do := func(s *mongostore.Store) error {
				_, err := s.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error { j.Title = after; return nil })
				return err
			}
			return do, func() { look() }, func() { require.Equal(t, after, look()) }
		},
		"DeleteJob": func(t *testing.T) (func(*mongostore.Store) error, func(), func()) {
			word := caption.NewID()
			j := create(t, other, word)
			_, _, err := other.SaveSegment(t.Context(), j.ID, result(0))
			require.NoError(t, err)
			_, err = other.SaveTranscript(t.Context(), transcript(j.ID, "spoken"))
			require.NoError(t, err)
			look := func() {
				_, err := other.Job(t.Context(), j.ID)
				segments, err2 := other.Segments(t.Context(), j.ID, 0)
				require.NoError(t, err2)
				if err == nil {
					require.Len(t, segments, 1)
					require.Len(t, found(t, other, word), 1)
					_, err := other.Transcript(t.Context(), j.ID)
					require.NoError(t, err)
					return
				}
				requireKind(t, caption.KindNotFound, err)
				require.Empty(t, segments)
				require.Empty(t, found(t, other, word))
				// The next process that starts ends what this one has begun.
				next := open(t, mongostore.Config{URL: at, Timeout: time.Minute})
				require.NoError(t, next.Ping(t.Context()))
				requireNothing(t, at, j.ID)
			}
			return func(s *mongostore.Store) error { return s.DeleteJob(t.Context(), j.ID) }, look, func() { requireNothing(t, at, j.ID) }
		},
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/answered=%t", name, after), func(t *testing.T) {
				for n := 0; ; n++ {
					require.Less(t, n, 10, "it never ends")
					do, look, end := test(t)
					require.Eventually(t, func() bool { return dying.Ping(t.Context()) == nil }, patience, time.Millisecond)
					cut.arm(n, after)
					err := do(dying)
					if !cut.heal() {
						require.NoError(t, err)
						require.Positive(t, n, "it has writes")
						end()
						return
					}
					requireKind(t, caption.KindUnavailable, err)
					look()
					require.NoError(t, do(other))
					end()
				}
			})
		}
	}
}

// requireNothing looks into the database for what belongs to a job.
func requireNothing(t *testing.T, at, jobID string) {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	client, err := mongo.Connect(options.Client().ApplyURI(at))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Disconnect(t.Context())) }()
	db := client.Database(strings.TrimPrefix(u.Path, "/"))
	for _, c := range []string{"jobs", "texts", "deletions"} {
		n, err := db.Collection(c).CountDocuments(t.Context(), bson.D{{Key: "_id", Value: jobID}})
		require.NoError(t, err)
		require.Zero(t, n, c)
	}
	n, err := db.Collection("segments").CountDocuments(t.Context(), bson.D{{Key: "job", Value: jobID}})
	require.NoError(t, err)
	require.Zero(t, n)
}
