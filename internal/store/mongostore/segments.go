package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"k8s-scalers/internal/caption"
)

// segmentDoc is the result of a segment.
type segmentDoc struct {
	ID     string `bson:"_id"` // so that only one result of the segment is ever stored
	Job    string `bson:"job"`
	Index  int    `bson:"index"`
	Result []byte `bson:"result"` // packed
}

// SaveSegment stores the result of a segment, then counts it. What was stored and not counted, because a process died in
// between, is as good as any later result of that segment: that one finds it, and counts it.
func (s *Store) SaveSegment(ctx context.Context, jobID string, r caption.SegmentResult) (j caption.Job, first bool, err error) {
	result, err := pack(r)
	if err != nil {
		return caption.Job{}, false, fault(ctx, "store a segment", err)
	}
	if err := checkLength(len(result)); err != nil {
		return caption.Job{}, false, err
	}
	err = s.write(ctx, "store a segment", func(ctx context.Context) error {
		d := segmentDoc{ID: fmt.Sprintf("%s/%d", jobID, r.Index), Job: jobID, Index: r.Index, Result: result}
		if _, err := s.segments.InsertOne(ctx, d); err != nil && !mongo.IsDuplicateKeyError(err) {
			return err
		}
		j, first, err = s.countSegment(ctx, jobID, r.Index)
		if err != nil && caption.KindOf(err) == caption.KindNotFound { // It was deleted before or meanwhile.
			_, _ = s.segments.DeleteOne(ctx, byID(d.ID)) // Where that fails it is a document that nothing leads to.
		}
		return err
	})
	if err != nil {
		return caption.Job{}, false, err
	}
	return j, first, nil
}

// countSegment notes that a segment has its result, unless that is noted already.
func (s *Store) countSegment(ctx context.Context, jobID string, index int) (caption.Job, bool, error) {
	var d jobDoc
	err := s.jobs.FindOneAndUpdate(ctx,
		bson.D{{Key: "_id", Value: jobID}, {Key: "got", Value: bson.D{{Key: "$ne", Value: index}}}},
		bson.D{
			{Key: "$push", Value: bson.D{{Key: "got", Value: index}}},
			{Key: "$inc", Value: bson.D{{Key: "done", Value: 1}, {Key: "seq", Value: 1}}},
			{Key: "$set", Value: bson.D{{Key: "updated", Value: millis(s.now())}}},
		},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		j, err := s.findJob(ctx, byID(jobID))
		return j, false, err
	}
	return caption.Job(d), err == nil, err
}

// got returns the segments of a job that have a result.
func (s *Store) got(ctx context.Context, jobID string) ([]int, error) {
	var d struct {
		Got []int `bson:"got"`
	}
	err := s.jobs.FindOne(ctx, byID(jobID), options.FindOne().SetProjection(bson.D{{Key: "got", Value: 1}})).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, noJob()
	}
	return d.Got, err
}

// gotOrNone is got for those to whom a job that does not exist has no results.
func (s *Store) gotOrNone(ctx context.Context, jobID string) ([]int, error) {
	got, err := s.got(ctx, jobID)
	if err != nil && caption.KindOf(err) == caption.KindNotFound {
		return nil, nil
	}
	return got, err
}

// Segments returns the results of a job.
func (s *Store) Segments(ctx context.Context, jobID string, from int) (results []caption.SegmentResult, err error) {
	err = s.read(ctx, "read segments", func(ctx context.Context) error {
		got, err := s.gotOrNone(ctx, jobID)
		if err != nil {
			return err
		}
		got = slices.DeleteFunc(got, func(i int) bool { return i < from })
		if len(got) == 0 {
			return nil
		}
		filter := bson.D{{Key: "job", Value: jobID}, {Key: "index", Value: bson.D{{Key: "$gte", Value: from}}}}
		err = each(ctx, s.segments, filter, options.Find().SetSort(bson.D{{Key: "index", Value: 1}}), func(d segmentDoc) error {
			if !slices.Contains(got, d.Index) {
				return nil // It is not counted yet.
			}
			var r caption.SegmentResult
			err := unpack(d.Result, &r)
			results = append(results, r)
			return err
		})
		if err == nil && len(results) != len(got) {
			// It may have been deleted meanwhile; then there are none.
			if got, err = s.gotOrNone(ctx, jobID); err == nil && got != nil {
				err = fmt.Errorf("of job %s, %d segments have a result, and %d are stored", jobID, len(got), len(results))
			}
			results = nil
		}
		return err
	})
	return results, err
}

// MissingSegments returns the indexes without a result.
func (s *Store) MissingSegments(ctx context.Context, jobID string, n int) (missing []int, err error) {
	err = s.read(ctx, "read missing segments", func(ctx context.Context) error {
		got, err := s.gotOrNone(ctx, jobID)
		if err != nil {
			return err
		}
		slices.Sort(got)
		for i := range n {
			if _, ok := slices.BinarySearch(got, i); !ok {
				missing = append(missing, i)
			}
		}
		return nil
	})
	return missing, err
}
