package mongostore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"k8s-scalers/internal/caption"
)

// textDoc is the transcript of a job and the words by which the job is found.
type textDoc struct {
	ID      string    `bson:"_id"`
	Owner   string    `bson:"owner"`
	Created time.Time `bson:"created"` // the job's: lists are in its order
	// Version is the transcript's; 0: there is none.
	Version int `bson:"version"`
	// Titles has the words of every title that the job has had, and TitleChange grows with each.
	Titles      []string `bson:"titles"`
	TitleChange int      `bson:"title_change"`
	// Words has all words of the title and the cues. It may have more: a search looks into the texts of what it has found.
	Words []string `bson:"words"`
	Cues  []byte   `bson:"cues,omitempty"` // packed; apart, because a search reads them for each job that it finds
	Body  []byte   `bson:"body,omitempty"` // the rest of the transcript, packed
}

// insertText stores the text of a new job, unless there is one.
func (s *Store) insertText(ctx context.Context, j jobDoc) (isNew bool, err error) {
	words := indexed(wordsOf(j.Title))
	d, err := fields(textDoc{Owner: j.Owner, Created: j.Created, Titles: words, Words: words}, "_id")
	if err != nil {
		return false, err
	}
	res, err := s.texts.UpdateOne(ctx, byID(j.ID), bson.D{{Key: "$setOnInsert", Value: d}}, options.UpdateOne().SetUpsert(true))
	if err != nil {
		return false, err
	}
	return res.UpsertedCount == 1, nil
}

// addTitle makes a job findable by a title that it is about to have. The words of the old one go with the next transcript.
func (s *Store) addTitle(ctx context.Context, id, title string) error {
	words := bson.D{{Key: "$each", Value: indexed(wordsOf(title))}}
	_, err := s.texts.UpdateOne(ctx, byID(id), bson.D{
		{Key: "$addToSet", Value: bson.D{{Key: "titles", Value: words}, {Key: "words", Value: words}}},
		{Key: "$inc", Value: bson.D{{Key: "title_change", Value: 1}}},
	})
	return err
}

// Transcript returns the transcript of a job.
func (s *Store) Transcript(ctx context.Context, jobID string) (t caption.Transcript, err error) {
	err = s.read(ctx, "read a transcript", func(ctx context.Context) error {
		var d textDoc
		err := s.texts.FindOne(ctx, byID(jobID), options.FindOne().SetProjection(bson.D{{Key: "words", Value: 0}, {Key: "titles", Value: 0}})).Decode(&d)
		if errors.Is(err, mongo.ErrNoDocuments) || err == nil && d.Version == 0 {
			return caption.Errorf(caption.KindNotFound, "There is no transcript of this job.")
		}
		if err != nil {
			return err
		}
		if err := unpack(d.Body, &t); err != nil {
			return err
		}
		return unpack(d.Cues, &t.Cues)
	})
	if err != nil {
		return caption.Transcript{}, err
	}
	return t, nil
}

// SaveTranscript stores the next version of a transcript with the words by which it is found.
func (s *Store) SaveTranscript(ctx context.Context, t caption.Transcript) (caption.Transcript, error) {
	was := t.Version
	t.Version++
	withoutCues := t
	withoutCues.Cues = nil
	body, err := pack(withoutCues)
	if err != nil {
		return caption.Transcript{}, fault(ctx, "store a transcript", err)
	}
	cues, err := pack(t.Cues)
	if err != nil {
		return caption.Transcript{}, fault(ctx, "store a transcript", err)
	}
	var words []string
	for _, c := range t.Cues {
		words = append(words, wordsOf(c.Text)...)
	}
	words = indexed(words)
	perWord := 16 // bytes around a word in an array
	if err := checkLength(len(cues), len(body), len(strings.Join(words, ""))+perWord*len(words)); err != nil {
		return caption.Transcript{}, err
	}
	err = s.write(ctx, "store a transcript", func(ctx context.Context) error {
		for {
			var d textDoc
			err := s.texts.FindOne(ctx, byID(t.JobID), options.FindOne().SetProjection(bson.D{
				{Key: "version", Value: 1}, {Key: "titles", Value: 1}, {Key: "title_change", Value: 1},
			})).Decode(&d)
			switch {
			case errors.Is(err, mongo.ErrNoDocuments):
				return noJob()
			case err != nil:
				return err
			case d.Version != was:
				return caption.Errorf(caption.KindPrecondition, "The captions were changed meanwhile. Load them again, then repeat your change.").
					WithCode("version_conflict")
			}
			all := slices.Concat(words, d.Titles)
			slices.Sort(all)
			res, err := s.texts.UpdateOne(ctx,
				bson.D{{Key: "_id", Value: t.JobID}, {Key: "version", Value: was}, {Key: "title_change", Value: d.TitleChange}},
				bson.D{{Key: "$set", Value: bson.D{
					{Key: "version", Value: t.Version}, {Key: "words", Value: slices.Compact(all)},
					{Key: "cues", Value: cues}, {Key: "body", Value: body},
				}}})
			if err != nil || res.MatchedCount == 1 {
				return err
			}
		}
	})
	if err != nil {
		return caption.Transcript{}, err
	}
	return t, nil
}
