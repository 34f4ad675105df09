package mongostore

import (
	"context"
	"math/bits"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"k8s-scalers/internal/caption"
)

const (
	maxHits  = 3  // of a job
	minBatch = 20 // candidates that are looked at together
)

// searchJobs returns at most limit jobs that match. The index of words yields candidates in the order of the list; a candidate
// counts if its job matches q, and its title and cues have the words. So a text that was changed half is never a wrong answer.
func (s *Store) searchJobs(ctx context.Context, q caption.JobQuery, words search, from *place, limit int) ([]caption.JobHit, error) {
	batch := max(limit, minBatch)
	var hits []caption.JobHit
	for {
		candidates, err := find(ctx, s.texts, append(textFilter(q.Owner, words), after(from)...),
			options.Find().SetProjection(bson.D{{Key: "created", Value: 1}}).SetSort(newestFirst).SetLimit(int64(batch)),
			func(d textDoc) place { return place{d.Created, d.ID} })
		if err != nil {
			return nil, err
		}
		matching, err := s.matching(ctx, q, words, candidates)
		if err != nil {
			return nil, err
		}
		for _, c := range candidates {
			if hit, ok := matching[c.id]; ok && len(hits) < limit {
				hits = append(hits, hit)
			}
		}
		if len(candidates) < batch || len(hits) == limit {
			return hits, nil
		}
		from = &candidates[len(candidates)-1]
	}
}

// textFilter selects the texts in which the words may occur.
func textFilter(owner string, words search) bson.D {
	var all bson.A
	for i, w := range words {
		w = indexedPart(w)
		condition := any(w)
		if i == len(words)-1 {
			// Everything that begins with it: no word has the highest of all code points.
			condition = bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "$gte", Value: w}, {Key: "$lt", Value: w + "\U0010ffff"}}}}
		}
		all = append(all, bson.D{{Key: "words", Value: condition}})
	}
	return bson.D{{Key: "owner", Value: owner}, {Key: "$and", Value: all}}
}

// matching returns those of the candidates that are what q and words ask for.
func (s *Store) matching(ctx context.Context, q caption.JobQuery, words search, candidates []place) (map[string]caption.JobHit, error) {
	ids := make([]string, len(candidates))
	for i, c := range candidates {
		ids[i] = c.id
	}
	jobs := map[string]caption.Job{}
	err := each(ctx, s.jobs, append(jobFilter(q), anyOf(ids)), options.Find().SetProjection(withoutGot), func(d jobDoc) error {
		jobs[d.ID] = caption.Job(d)
		return nil
	})
	if err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { _, ok := jobs[id]; return !ok })
	matching := map[string]caption.JobHit{}
	err = each(ctx, s.texts, bson.D{anyOf(ids)}, options.Find().SetProjection(bson.D{{Key: "cues", Value: 1}}), func(d textDoc) error {
		var cues []caption.Cue
		if len(d.Cues) > 0 {
			if err := unpack(d.Cues, &cues); err != nil {
				return err
			}
		}
		j := jobs[d.ID]
		if hits, ok := findHits(words, j.Title, cues); ok {
			matching[d.ID] = caption.JobHit{Job: j, Hits: hits}
		}
		return nil
	})
	return matching, err
}

func anyOf(ids []string) bson.E {
	return bson.E{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}
}

// findHits tells whether all the words are in a title and cues, and returns the cues that match, in order of time: those with most
// of the words, and among equals the first.
func findHits(words search, title string, cues []caption.Cue) (hits []caption.Hit, ok bool) {
	type candidate struct{ cue, words int }
	var found []candidate
	all := words.in(wordsOf(title))
	for i, c := range cues {
		in := words.in(wordsOf(c.Text))
		all |= in
		if in != 0 {
			found = append(found, candidate{i, bits.OnesCount64(in)})
		}
	}
	if all != words.all() {
		return nil, false
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return b.words - a.words })
	found = found[:min(len(found), maxHits)]
	slices.SortFunc(found, func(a, b candidate) int { return a.cue - b.cue })
	for _, f := range found {
		hits = append(hits, caption.Hit{Start: cues[f.cue].Start, Text: cues[f.cue].Text})
	}
	return hits, true
}
