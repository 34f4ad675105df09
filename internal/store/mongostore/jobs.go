package mongostore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"k8s-scalers/internal/caption"
)

// jobDoc is a [caption.Job] with the names of its fields.
type jobDoc struct {
	ID          string          `bson:"_id"`
	Owner       string          `bson:"owner"`
	VideoID     string          `bson:"video_id"`
	Title       string          `bson:"title"`
	Options     caption.Options `bson:"options"`
	State       caption.State   `bson:"state"`
	Reason      *caption.Reason `bson:"reason"`
	Seq         int64           `bson:"seq"`
	Enqueued    bool            `bson:"enqueued"`
	Run         int             `bson:"run"`
	Duration    caption.Millis  `bson:"duration"`
	Segments    int             `bson:"segments"`
	Done        int             `bson:"done"` // the length of got
	Engine      string          `bson:"engine"`
	Language    string          `bson:"language"`
	Created     time.Time       `bson:"created"`
	Updated     time.Time       `bson:"updated"`
	TranscribeT time.Time       `bson:"transcribe_t"`
	DoneAtStart int             `bson:"done_at_start"`
	Finished    time.Time       `bson:"finished"`
}

// wholeJobDoc is a document of the collection jobs.
type wholeJobDoc struct {
	Job jobDoc `bson:",inline"`
	// Idempotency stands for the owner and their key. It is not there where there is no key: the index is sparse.
	Idempotency string `bson:"idempotency,omitempty"`
	Got         []int  `bson:"got"`
}

// withoutGot leaves out what is no part of a job.
var withoutGot = bson.D{{Key: "got", Value: 0}, {Key: "idempotency", Value: 0}}

// stored returns j as it will be read.
func stored(j caption.Job) caption.Job {
	j.Created, j.Updated, j.TranscribeT, j.Finished = millis(j.Created), millis(j.Updated), millis(j.TranscribeT), millis(j.Finished)
	return j
}

func (s *Store) findJob(ctx context.Context, filter any) (caption.Job, error) {
	var d jobDoc
	err := s.jobs.FindOne(ctx, filter, options.FindOne().SetProjection(withoutGot)).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return caption.Job{}, noJob()
	}
	return caption.Job(d), err
}

// Job returns a job.
func (s *Store) Job(ctx context.Context, id string) (j caption.Job, err error) {
	err = s.read(ctx, "read a job", func(ctx context.Context) error {
		j, err = s.findJob(ctx, byID(id))
		return err
	})
	return j, err
}

// CreateJob stores a new job.
func (s *Store) CreateJob(ctx context.Context, j caption.Job, idempotencyKey string) (result caption.Job, created bool, err error) {
	j.Seq, j.Done = 1, 0
	if j.Created.IsZero() {
		j.Created = s.now()
	}
	if j.Updated.IsZero() {
		j.Updated = s.now()
	}
	j = stored(j)
	d := wholeJobDoc{Job: jobDoc(j), Got: []int{}}
	if idempotencyKey != "" {
		// Of one length whatever the key is, and no other pair of owner and key has the same.
		d.Idempotency = fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q %q", j.Owner, idempotencyKey)))
	}
	err = s.write(ctx, "create a job", func(ctx context.Context) error {
		for {
			if d.Idempotency != "" {
				result, err = s.findJob(ctx, bson.D{{Key: "idempotency", Value: d.Idempotency}})
				if err == nil || caption.KindOf(err) != caption.KindNotFound {
					return err
				}
			}
			err = s.insertJob(ctx, d)
			switch {
			case err == nil:
				result, created = j, true
				return nil
			case d.Idempotency == "" || !mongo.IsDuplicateKeyError(err):
				return err
			}
			// Another request with the key was faster, so the job is found, unless it has been deleted since.
			if _, idErr := s.findJob(ctx, byID(j.ID)); caption.KindOf(idErr) != caption.KindNotFound {
				return errors.Join(err, idErr) // It is the id that is not new.
			}
		}
	})
	return result, created, err
}

// insertJob stores the text of a job, then the job.
func (s *Store) insertJob(ctx context.Context, d wholeJobDoc) error {
	isNew, err := s.insertText(ctx, d.Job)
	if err != nil {
		return err
	}
	_, err = s.jobs.InsertOne(ctx, d)
	if isNew && mongo.IsDuplicateKeyError(err) {
		_, _ = s.texts.DeleteOne(ctx, byID(d.Job.ID)) // Where that fails it is a document that nothing leads to.
	}
	return err
}

// UpdateJob changes a job.
func (s *Store) UpdateJob(ctx context.Context, id string, change func(*caption.Job) error) (caption.Job, error) {
	for try := 1; ; try++ {
		old, err := s.Job(ctx, id)
		if err != nil {
			return caption.Job{}, err
		}
		j := old
		if err := change(&j); errors.Is(err, caption.ErrUnchanged) {
			return old, nil
		} else if err != nil {
			return caption.Job{}, err
		}
		j.ID, j.Owner, j.Done, j.Created = old.ID, old.Owner, old.Done, old.Created
		j.Seq, j.Updated = old.Seq+1, s.now()
		j = stored(j)
		var changed bool
		err = s.write(ctx, "change a job", func(ctx context.Context) error {
			if j.Title != old.Title {
				if err := s.addTitle(ctx, id, j.Title); err != nil {
					return err
				}
			}
			changed, err = s.swapJob(ctx, old, j)
			return err
		})
		if err != nil || changed {
			return j, err
		}
		// Whoever was faster has gone on; those who were not take different times, so that they do not meet again.
		select {
		case <-ctx.Done():
			return caption.Job{}, fmt.Errorf("change a job: %w", ctx.Err())
		case <-time.After(rand.N(time.Millisecond << min(try, 6))):
		}
	}
}

// swapJob stores j if the stored job is still old. It leaves got, and with it done, to SaveSegment.
func (s *Store) swapJob(ctx context.Context, old, j caption.Job) (bool, error) {
	set, err := fields(jobDoc(j), "_id", "owner", "done", "created")
	if err != nil {
		return false, err
	}
	res, err := s.jobs.UpdateOne(ctx, bson.D{{Key: "_id", Value: old.ID}, {Key: "seq", Value: old.Seq}}, bson.D{{Key: "$set", Value: set}})
	if err != nil {
		return false, err
	}
	return res.MatchedCount == 1, nil
}

// fields returns the fields of a document, but for some.
func fields(d any, but ...string) (bson.D, error) {
	var b bytes.Buffer
	e := bson.NewEncoder(bson.NewDocumentWriter(&b))
	e.UseJSONStructTags()
	if err := e.Encode(d); err != nil {
		return nil, err
	}
	var all bson.D
	if err := bson.Unmarshal(b.Bytes(), &all); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(e bson.E) bool { return slices.Contains(but, e.Key) }), nil
}

// DeleteJob removes a job and all that belongs to it. The job itself goes first, and with it everything is out of reach; the
// deletion is noted until the rest is gone, too.
func (s *Store) DeleteJob(ctx context.Context, id string) error {
	return s.write(ctx, "delete a job", func(ctx context.Context) error {
		if _, err := s.deletions.ReplaceOne(ctx, byID(id), byID(id), options.Replace().SetUpsert(true)); err != nil {
			return err
		}
		return s.endDeletion(ctx, id)
	})
}

func (s *Store) endDeletion(ctx context.Context, id string) error {
	if _, err := s.jobs.DeleteOne(ctx, byID(id)); err != nil {
		return err
	}
	if _, err := s.texts.DeleteOne(ctx, byID(id)); err != nil {
		return err
	}
	if _, err := s.segments.DeleteMany(ctx, bson.D{{Key: "job", Value: id}}); err != nil {
		return err
	}
	_, err := s.deletions.DeleteOne(ctx, byID(id))
	return err
}

// endDeletions ends the deletions that were cut short.
func (s *Store) endDeletions(ctx context.Context) error {
	type doc struct {
		ID string `bson:"_id"`
	}
	ids, err := find(ctx, s.deletions, bson.D{}, options.Find(), func(d doc) string { return d.ID })
	if err != nil {
		return fmt.Errorf("find deletions that were cut short: %w", err)
	}
	for _, id := range ids {
		if err := s.endDeletion(ctx, id); err != nil {
			return fmt.Errorf("end a deletion that was cut short: %w", err)
		}
	}
	return nil
}
