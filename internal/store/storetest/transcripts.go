package storetest

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// transcriptOf returns a first transcript with the given cues, one in every ten seconds.
func transcriptOf(jobID string, cues ...string) caption.Transcript {
	t := caption.Transcript{JobID: jobID, Engine: "pocketsphinx", Profile: "netflix"}
	for i, text := range cues {
		start := caption.Millis(i * 10_000)
		t.Cues = append(t.Cues, caption.Cue{Start: start, End: start + 5000, Text: text})
	}
	return t
}

func testTranscript(t *testing.T, s Store) {
	j := create(t, s, newJob())
	_, err := s.Transcript(t.Context(), j.ID)
	requireKind(t, caption.KindNotFound, err)
	_, err = s.Transcript(t.Context(), caption.NewID())
	requireKind(t, caption.KindNotFound, err)
	_, err = s.SaveTranscript(t.Context(), transcriptOf(caption.NewID(), "nobody's"))
	requireKind(t, caption.KindNotFound, err)

	first := transcriptOf(j.ID, "Hello,\nworld.", "- Grüße! \x02\x03")
	first.Language, first.Duration, first.Words = "en", 10_800_123, segment(0).Words
	first.Cues[0].Speaker = "Speaker 1"
	stored, err := s.SaveTranscript(t.Context(), first)
	require.NoError(t, err)
	first.Version = 1
	requireEqual(t, first, stored)
	got, err := s.Transcript(t.Context(), j.ID)
	require.NoError(t, err)
	requireEqual(t, first, got)

	edited := got
	edited.Original = got.Cues
	edited.Cues = []caption.Cue{{Start: 1, End: 2, Text: "Bye."}}
	stored, err = s.SaveTranscript(t.Context(), edited)
	require.NoError(t, err)
	edited.Version = 2
	requireEqual(t, edited, stored)
	got, err = s.Transcript(t.Context(), j.ID)
	require.NoError(t, err)
	requireEqual(t, edited, got)

	// A transcript is no change of the job.
	requireJob(t, s, j)
}

func testTranscriptConflict(t *testing.T, s Store) {
	j := create(t, s, newJob())
	save := func(version int, text string) error {
		transcript := transcriptOf(j.ID, text)
		transcript.Version = version
		_, err := s.SaveTranscript(t.Context(), transcript)
		return err
	}
	requireKind(t, caption.KindPrecondition, save(1, "there is none yet"))
	requireKind(t, caption.KindPrecondition, save(-1, "never"))
	require.NoError(t, save(0, "first"))
	requireKind(t, caption.KindPrecondition, save(0, "first again"))
	require.NoError(t, save(1, "second"))
	requireKind(t, caption.KindPrecondition, save(1, "second again"))
	requireKind(t, caption.KindPrecondition, save(3, "from the future"))

	// Of editors who start from the same version, one wins.
	const n = 20
	var won atomic.Int32
	errs := make([]error, n)
	together(n, func(i int) {
		switch err := save(2, "race"); {
		case err == nil:
			won.Add(1)
		case caption.KindOf(err) != caption.KindPrecondition:
			errs[i] = err
		}
	})
	require.NoError(t, errors.Join(errs...))
	require.EqualValues(t, 1, won.Load())
	got, err := s.Transcript(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, 3, got.Version)
}

func testSearch(t *testing.T, s Store) {
	add := func(title string, cues ...string) string {
		j := newJob()
		j.Title = title
		create(t, s, j)
		if len(cues) > 0 {
			_, err := s.SaveTranscript(t.Context(), transcriptOf(j.ID, cues...))
			require.NoError(t, err)
		}
		return j.ID
	}
	long := strings.Repeat("long", 500)
	names := map[string]string{
		add("Solar panels.mp4", "We mount the panels", "on a flat\nroof."):           "solar",
		add("holiday 2024.mov", "Crème brûlée, s'il vous plaît!", "The Straße NEAR"): "holiday",
		add("untitled.mp4", "C'est un café-théâtre", "AND OR NOT", "x*y \"quoted\""): "café",
		add("queued talk.mp4"): "queued",
		add("unspeakable", long+"a", "λόγος", "ПРИВЕТ", "東京タワー"): "long",
	}
	for _, c := range []struct {
		text string
		want []string
	}{
		{"solar", []string{"solar"}},
		{"SOLAR", []string{"solar"}},
		{"sol", []string{"solar"}},                  // the last word is a prefix
		{"sol panels", nil},                         // others are not
		{"panels sol", []string{"solar"}},           // in any order
		{"solar roof", []string{"solar"}},           // one in the title, one in a cue
		{"mount roof", []string{"solar"}},           // in different cues
		{"flat roof", []string{"solar"}},            // on different lines
		{"solar holiday", nil},                      // all, not any
		{"olar", nil},                               // no infix
		{"creme brulee", []string{"holiday"}},       // without diacritics
		{"crème BRÛLÉE", []string{"holiday"}},       // with them
		{"CRE\u0300ME", []string{"holiday"}},        // with combining ones
		{"CAFE\u0301 THE\u0301A", []string{"café"}}, //
		{"straße", []string{"holiday"}},             //
		{"2024", []string{"holiday"}},               // numbers are words
		{"mp4", []string{"solar", "café", "queued"}},
		{"queued talk", []string{"queued"}}, // before there is a transcript
		{"café-théâtre", []string{"café"}},  // signs separate words
		{"cafe -theatre", []string{"café"}}, // and exclude nothing
		{"panels -roof", []string{"solar"}}, //
		{"s'il", []string{"holiday"}},       //
		{`"quoted"`, []string{"café"}},      //
		{`"panels mount"`, []string{"solar"}},
		{`"`, []string{"solar", "holiday", "café", "queued", "long"}}, // no words: no restriction
		{"* - ( ) ^ : ' \" + {}", []string{"solar", "holiday", "café", "queued", "long"}},
		{"  ", []string{"solar", "holiday", "café", "queued", "long"}},
		{"*", []string{"solar", "holiday", "café", "queued", "long"}},
		{"panels*", []string{"solar"}},
		{"pan*ls", nil}, // two words: pan, and ls as a prefix
		{"title:solar", nil},
		{"cues : roof", nil},
		{"solar OR holiday", nil}, // operators are words
		{"solar AND panels", nil},
		{"solar NOT holiday", nil},
		{"NOT AND OR", []string{"café"}},
		{"NEAR(solar panels, 5)", nil},
		{"straße near", []string{"holiday"}},
		{"^solar", []string{"solar"}},
		{"solar\x00panels", []string{"solar"}},
		{"solar \xff\xfe panels", []string{"solar"}},
		{"'; drop table job; --", nil},
		{"\u0301", []string{"solar", "holiday", "café", "queued", "long"}}, // a lone diacritic is no word
		{strings.Repeat("x", 10_000), nil},
		{long + "a", []string{"long"}}, // words that differ late are different
		{long + "b", nil},
		{long, []string{"long"}},
		{long + " talk", nil},
		{"ΛΌΓΟΣ", []string{"long"}}, // other alphabets have no case, or their own
		{"привет", []string{"long"}},
		{"東京", []string{"long"}},
	} {
		found := list(t, s, caption.JobQuery{Owner: owner, Text: c.text, Limit: 100})
		var got []string
		for _, id := range found {
			got = append(got, names[id])
		}
		require.ElementsMatch(t, c.want, got, "%q", c.text)
	}
	_, err := s.ListJobs(t.Context(), caption.JobQuery{Owner: owner, Text: strings.Repeat("word ", 1000), Limit: 10})
	requireKind(t, caption.KindInvalid, err)
}

func testSearchHits(t *testing.T, s Store) {
	j := create(t, s, newJob())
	_, err := s.SaveTranscript(t.Context(), transcriptOf(j.ID,
		"The first cue.", "The solar\ncell.", "Nothing here.", "Solar!", "A solarium in the sun", "The last solar one", "talk"))
	require.NoError(t, err)
	hit := func(i int, text string) caption.Hit {
		return caption.Hit{Start: caption.Millis(i * 10_000), Text: text}
	}
	for _, c := range []struct {
		text string
		want []caption.Hit
	}{
		{"", nil},
		{"first", []caption.Hit{hit(0, "The first cue.")}},
		{"solar", []caption.Hit{hit(1, "The solar\ncell."), hit(3, "Solar!"), hit(4, "A solarium in the sun")}},
		// Cues with more of the words come before those with fewer; then all in order of time.
		{"the solar", []caption.Hit{hit(1, "The solar\ncell."), hit(4, "A solarium in the sun"), hit(5, "The last solar one")}},
		{"mp4", nil}, // only the title matches
		{"mp4 talk", []caption.Hit{hit(6, "talk")}},
	} {
		page, err := s.ListJobs(t.Context(), caption.JobQuery{Owner: owner, Text: c.text, Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Jobs, 1, c.text)
		requireEqual(t, caption.JobHit{Job: j, Hits: c.want}, page.Jobs[0])
	}
}

func testSearchFollowsChanges(t *testing.T, s Store) {
	j := create(t, s, newJob())
	finds := func(text string) bool {
		return len(list(t, s, caption.JobQuery{Owner: owner, Text: text, Limit: 10})) == 1
	}
	require.True(t, finds("talk"))
	_, err := s.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error { j.Title = "lecture.mp4"; return nil })
	require.NoError(t, err)
	require.False(t, finds("talk"))
	require.True(t, finds("lecture"))

	stored, err := s.SaveTranscript(t.Context(), transcriptOf(j.ID, "an old word"))
	require.NoError(t, err)
	require.True(t, finds("lecture old"))
	stored.Cues = []caption.Cue{{Start: 0, End: 1000, Text: "a new word"}}
	_, err = s.SaveTranscript(t.Context(), stored)
	require.NoError(t, err)
	require.False(t, finds("old"))
	require.True(t, finds("new"))

	// A change that is refused is not found, nor does a change of the title lose the cues.
	_, err = s.SaveTranscript(t.Context(), transcriptOf(j.ID, "refused"))
	requireKind(t, caption.KindPrecondition, err)
	require.False(t, finds("refused"))
	_, err = s.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error { j.Title = "speech.mp4"; return nil })
	require.NoError(t, err)
	require.True(t, finds("speech new"))
}

func testSearchPages(t *testing.T, s Store) {
	var want []string
	for i := range 15 {
		j := newJob()
		j.Title = "untitled"
		create(t, s, j)
		if i%3 != 0 {
			_, err := s.SaveTranscript(t.Context(), transcriptOf(j.ID, "common", "number "+number(i)))
			require.NoError(t, err)
			want = append(want, j.ID)
		}
	}
	for _, limit := range []int{1, 4, 100} {
		require.ElementsMatch(t, want, list(t, s, caption.JobQuery{Owner: owner, Text: "common", Limit: limit}))
	}
	require.Len(t, list(t, s, caption.JobQuery{Owner: owner, Text: "common 0007", Limit: 1}), 1)
}
