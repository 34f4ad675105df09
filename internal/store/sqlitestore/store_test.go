package sqlitestore

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "store.db") }

func create(t testing.TB, s *Store, title string, cues ...caption.Cue) caption.Job {
	t.Helper()
	j, _, err := s.CreateJob(t.Context(), caption.Job{ID: caption.NewID(), Owner: "owner", Title: title, State: caption.Queued}, "")
	require.NoError(t, err)
	if len(cues) > 0 {
		_, err := s.SaveTranscript(t.Context(), caption.Transcript{JobID: j.ID, Cues: cues})
		require.NoError(t, err)
	}
	return j
}

func TestFileIsPrivate(t *testing.T) {
	path := newPath(t)
	create(t, open(t, path), "talk")
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		info, err := os.Stat(f)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Run("a file of a newer program", func(t *testing.T) {
		path := newPath(t)
		_, err := open(t, path).writer.ExecContext(t.Context(), "pragma user_version = 99")
		require.NoError(t, err)
		_, err = Open(t.Context(), Config{Path: path})
		require.ErrorContains(t, err, "use a newer program")
	})
	t.Run("a file that is no database", func(t *testing.T) {
		path := newPath(t)
		require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600))
		_, err := Open(t.Context(), Config{Path: path})
		require.ErrorContains(t, err, "not a database")
	})
	t.Run("a folder that does not exist", func(t *testing.T) {
		_, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "none", "store.db")})
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func TestPathIsFixedAtOpen(t *testing.T) {
	t.Chdir(t.TempDir())
	s := open(t, "store.db")
	t.Chdir(t.TempDir())
	s.reader.SetMaxIdleConns(-1) // The pool opens the file anew each time.
	j := create(t, s, "talk")
	_, err := s.Job(t.Context(), j.ID)
	require.NoError(t, err)
}

func TestStorageFull(t *testing.T) {
	s := open(t, newPath(t))
	j := create(t, s, "talk")
	_, err := s.writer.ExecContext(t.Context(), "pragma max_page_count = 1") // SQLite takes the present size for it.
	require.NoError(t, err)
	r := caption.SegmentResult{Engine: strings.Repeat("x", 1<<20)}
	_, _, err = s.SaveSegment(t.Context(), j.ID, r)
	require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%v", err)
	require.Equal(t, "storage_full", caption.CodeOf(err))

	// Nothing of it was stored, and with room it goes on.
	got, err := s.Job(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, j, got)
	_, err = s.writer.ExecContext(t.Context(), "pragma max_page_count = 1000000")
	require.NoError(t, err)
	_, first, err := s.SaveSegment(t.Context(), j.ID, r)
	require.NoError(t, err)
	require.True(t, first)
}

func TestBusy(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	_, err := s.writer.ExecContext(t.Context(), "pragma busy_timeout = 1")
	require.NoError(t, err)
	other, err := openPool(path, 1, "_txlock=immediate")
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	tx, err := other.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	err = s.DeleteJob(t.Context(), "any")
	require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%v", err)
	require.Empty(t, caption.CodeOf(err))
	require.NoError(t, tx.Rollback())
	require.NoError(t, s.DeleteJob(t.Context(), "any"))
}

// film stores the segments of three hours, in which somebody speaks all the time.
func film(t testing.TB, s *Store) caption.Job {
	t.Helper()
	j := create(t, s, "film")
	confidence := 0.987
	for i := range 180 {
		r := caption.SegmentResult{Index: i, Engine: "pocketsphinx"}
		for k := range 160 {
			start := caption.Millis(i*60_000 + k*375)
			r.Words = append(r.Words, caption.Word{Text: fmt.Sprint("word", k), Start: start, End: start + 370, Confidence: &confidence})
		}
		_, _, err := s.SaveSegment(t.Context(), j.ID, r)
		require.NoError(t, err)
	}
	return j
}

func TestSegmentsOfAFilmAreSmall(t *testing.T) {
	s := open(t, newPath(t))
	j := film(t, s)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	segments, err := s.Segments(t.Context(), j.ID, 0)
	require.NoError(t, err)
	require.Len(t, segments, 180)
	runtime.ReadMemStats(&after)
	// All that was allocated, kept or not: the most that it can have taken at any moment.
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20<<20))
}

// TestPlans shows that lists walk an index from the place of the cursor, and that a search starts at the index of words.
func TestPlans(t *testing.T) {
	s := open(t, newPath(t))
	for query, want := range map[string]string{
		`select * from job where owner = 'o' and (created, id) < (1, 'x') order by created desc, id desc limit 2`: "job_list (owner=? AND (created,id)<(?,?))",
		`select count(*) from job where owner = 'o' and state in ('queued', 'failed')`:                            "job_state (owner=? AND state=?)",
		`select * from job where state = 'queued' and enqueued = 0 and updated < 5 order by updated limit 2`:      "job_not_enqueued (updated<?)",
		`select * from job where owner = 'o' and n in (select rowid from search where search match 'x')`:          "LIST SUBQUERY",
		`select * from job where owner = 'o' and idempotency = 'k'`:                                               "job_idempotency (owner=? AND idempotency=?)",
	} {
		plan := explain(t, s, query)
		require.Contains(t, plan, want, query)
		require.NotContains(t, plan, "TEMP B-TREE", query)
	}
}

func explain(t *testing.T, s *Store, query string) string {
	t.Helper()
	rows, err := s.reader.QueryContext(t.Context(), "explain query plan "+query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan.WriteString(detail + "\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

// FuzzSearch shows that no text that a user can send is an error of ours.
func FuzzSearch(f *testing.F) {
	for _, text := range []string{"solar", `"`, `a"b`, "*", "a*", "NEAR(a b)", "-a", "title:a", "a AND", "^", "\x00", "\xff", "é", "e\u0301", "\u0301",
		"日本語", "ⅷ ½ ٣", "\ue000", "a\U000E0100b", strings.Repeat("a ", 33)} {
		f.Add(text)
	}
	s := open(f, newPath(f))
	create(f, s, "solar", caption.Cue{Start: 1000, End: 2000, Text: "panels on the roof"})
	f.Fuzz(func(t *testing.T, text string) {
		page, err := s.ListJobs(t.Context(), caption.JobQuery{Owner: "owner", Text: text, Limit: 1})
		if err != nil {
			require.Equal(t, caption.KindInvalid, caption.KindOf(err), "%v", err)
			return
		}
		for _, h := range page.Jobs {
			require.LessOrEqual(t, len(h.Hits), maxHits)
			for _, hit := range h.Hits {
				require.Equal(t, "panels on the roof", hit.Text)
			}
		}
	})
}

// FuzzIndexedText shows that each cue is found by its own words, and that the hit is the cue, whatever is in it.
func FuzzIndexedText(f *testing.F) {
	f.Add("Hello,\nworld", "\x02bold\x03")
	f.Add("", "a\r\n\u2028b")
	f.Add("one", "one")
	s := open(f, newPath(f))
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			t.Skip("cues are JSON elsewhere, and so valid text")
		}
		cues := []caption.Cue{{Start: 1, Text: a}, {Start: 2, Text: "needle " + b}, {Start: 3, Text: a}}
		j := create(t, s, "untitled", cues...)
		defer func() { require.NoError(t, s.DeleteJob(t.Context(), j.ID)) }()
		page, err := s.ListJobs(t.Context(), caption.JobQuery{Owner: "owner", Text: "needle", Limit: 1})
		require.NoError(t, err)
		require.Len(t, page.Jobs, 1)
		require.Contains(t, page.Jobs[0].Hits, caption.Hit{Start: 2, Text: cues[1].Text})
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(cursor(caption.Job{ID: caption.NewID(), Created: time.Now()}))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		created, id, err := parseCursor(text)
		if err != nil {
			require.Equal(t, caption.KindInvalid, caption.KindOf(err))
			return
		}
		again, sameID, err := parseCursor(cursor(caption.Job{ID: id, Created: time.UnixMilli(created)}))
		require.NoError(t, err)
		require.Equal(t, created, again)
		require.Equal(t, id, sameID)
	})
}

func BenchmarkSegmentsOfAFilm(b *testing.B) {
	s := open(b, newPath(b))
	j := film(b, s)
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Segments(b.Context(), j.ID, 0)
		require.NoError(b, err)
	}
}

// BenchmarkSearch searches among 200 films of 2,000 cues, each of which matches.
func BenchmarkSearch(b *testing.B) {
	s := open(b, newPath(b))
	cues := make([]caption.Cue, 2000)
	for i := range cues {
		cues[i] = caption.Cue{Start: caption.Millis(i), End: caption.Millis(i + 1), Text: fmt.Sprintf("this is the caption of\nnumber n%d", i)}
	}
	for range 200 {
		create(b, s, "film", cues...)
	}
	for b.Loop() {
		page, err := s.ListJobs(b.Context(), caption.JobQuery{Owner: "owner", Text: "the caption n17", Limit: 20})
		require.NoError(b, err)
		require.Len(b, page.Jobs, 20)
	}
}
