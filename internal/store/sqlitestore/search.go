package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode"

	"k8s-scalers/internal/caption"
)

const (
	maxWords = 32 // in a search; FTS5 takes time for each
	maxHits  = 3  // of a job

	// The marks around a match are control characters, which searchText removes from cues.
	markStart, markEnd = "\x02", "\x03"
)

// searchWords returns the words of what a user searches for. They are runs of the characters that the tokenizer keeps,
// so nothing in them can mean something to FTS5; a run of nothing but diacritics would be an empty word to it.
func searchWords(text string) ([]string, error) {
	words := strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Co)
	})
	words = slices.DeleteFunc(words, func(w string) bool {
		return strings.IndexFunc(w, func(r rune) bool { return !unicode.Is(unicode.M, r) }) < 0
	})
	if len(words) > maxWords {
		return nil, caption.Errorf(caption.KindInvalid, "Search for at most %d words.", maxWords).WithCode("too_many_words")
	}
	return words, nil
}

// matchExpression returns the FTS5 expression for all words, the last one as a prefix.
func matchExpression(words []string) string {
	return `"` + strings.Join(words, `" "`) + `"*`
}

// searchText returns the text of cues as it is indexed: one line a cue.
func searchText(cues []caption.Cue) string {
	var b strings.Builder
	for i, c := range cues {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, c.Text))
	}
	return b.String()
}

// readHits returns the cues of a job that match, of which there may be none where its title matches.
func readHits(ctx context.Context, db querier, jobID string, words []string) ([]caption.Hit, error) {
	var marked string
	var cues []byte
	err := db.QueryRowContext(ctx, `select highlight(search, 1, ?, ?), transcript.cues
		from search, transcript
		where search match ? and search.rowid = (select n from job where id = ?) and transcript.job_id = ?`,
		markStart, markEnd, matchExpression(words), jobID, jobID).Scan(&marked, &cues)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil // There is no transcript yet.
	}
	if err != nil {
		return nil, err
	}
	return findHits(marked, cues)
}

// findHits returns the cues that match, in order of time: those in which most of the words were found, and among
// equals the first. marked is the indexed text with marks around what was found; cuesJSON the cues of the transcript.
func findHits(marked string, cuesJSON []byte) ([]caption.Hit, error) {
	if !strings.Contains(marked, markStart) {
		return nil, nil
	}
	type candidate struct{ line, words int }
	var found []candidate
	line := 0
	for text := range strings.Lines(marked) {
		words := map[string]struct{}{}
		for rest := text; ; {
			_, after, ok := strings.Cut(rest, markStart)
			if !ok {
				break
			}
			word, after, _ := strings.Cut(after, markEnd)
			words[strings.ToLower(word)] = struct{}{}
			rest = after
		}
		if len(words) > 0 {
			found = append(found, candidate{line, len(words)})
		}
		line++
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return b.words - a.words })
	found = found[:min(len(found), maxHits)]
	slices.SortFunc(found, func(a, b candidate) int { return a.line - b.line })

	var cues []caption.Cue
	if err := json.Unmarshal(cuesJSON, &cues); err != nil {
		return nil, err
	}
	var hits []caption.Hit
	for _, f := range found {
		if f.line < len(cues) {
			hits = append(hits, caption.Hit{Start: cues[f.line].Start, Text: cues[f.line].Text})
		}
	}
	return hits, nil
}
