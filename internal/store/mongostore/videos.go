package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"k8s-scalers/internal/caption"
)

// videoDoc is a [caption.Video] with the names of its fields.
type videoDoc struct {
	ID          string             `bson:"_id"`
	Owner       string             `bson:"owner"`
	Name        string             `bson:"name"`
	Size        int64              `bson:"size"`
	State       caption.VideoState `bson:"state"`
	Created     time.Time          `bson:"created"`
	Touched     time.Time          `bson:"touched"`
	Key         string             `bson:"key"`
	MultipartID string             `bson:"multipart_id"`
	PartSize    int64              `bson:"part_size"`
	Fingerprint string             `bson:"fingerprint"`
	Version     int                `bson:"version"`
}

// PutVideo stores a video.
func (s *Store) PutVideo(ctx context.Context, v caption.Video) error {
	return s.write(ctx, "store a video", func(ctx context.Context) error {
		next := videoDoc(v)
		next.Version++
		if v.Version == 0 {
			_, err := s.videos.InsertOne(ctx, next)
			if mongo.IsDuplicateKeyError(err) {
				return videoChanged()
			}
			return err
		}
		res, err := s.videos.ReplaceOne(ctx, videoVersion(v), next)
		if err != nil || res.MatchedCount == 1 {
			return err
		}
		if _, err := s.findVideo(ctx, v.ID); err != nil {
			return err
		}
		return videoChanged()
	})
}

// videoVersion selects the video if it is what is stored.
func videoVersion(v caption.Video) bson.D {
	return bson.D{{Key: "_id", Value: v.ID}, {Key: "version", Value: v.Version}}
}

func videoChanged() error {
	return caption.Errorf(caption.KindPrecondition, "The upload was changed meanwhile. Try again.").WithCode("version_conflict")
}

func (s *Store) findVideo(ctx context.Context, id string) (caption.Video, error) {
	var d videoDoc
	err := s.videos.FindOne(ctx, byID(id)).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return caption.Video{}, caption.Errorf(caption.KindNotFound, "There is no such upload.")
	}
	return caption.Video(d), err
}

// Video returns a video.
func (s *Store) Video(ctx context.Context, id string) (v caption.Video, err error) {
	err = s.read(ctx, "read a video", func(ctx context.Context) error {
		v, err = s.findVideo(ctx, id)
		return err
	})
	return v, err
}

// ListVideos returns the videos that match q.
func (s *Store) ListVideos(ctx context.Context, q caption.VideoQuery) (videos []caption.Video, err error) {
	filter := bson.D{}
	if q.Owner != "" {
		filter = append(filter, bson.E{Key: "owner", Value: q.Owner})
	}
	if q.State != "" {
		filter = append(filter, bson.E{Key: "state", Value: q.State})
	}
	if q.Fingerprint != "" {
		filter = append(filter, bson.E{Key: "fingerprint", Value: q.Fingerprint})
	}
	if !q.TouchedBefore.IsZero() {
		filter = append(filter, bson.E{Key: "touched", Value: bson.D{{Key: "$lt", Value: q.TouchedBefore}}})
	}
	err = s.read(ctx, "list videos", func(ctx context.Context) error {
		videos, err = find[videoDoc, caption.Video](ctx, s.videos, filter, options.Find().SetSort(newestFirst).SetLimit(int64(max(q.Limit, 0))),
			func(d videoDoc) caption.Video { return caption.Video(d) })
		return err
	})
	return videos, err
}

// DeleteVideo removes the record of a video.
func (s *Store) DeleteVideo(ctx context.Context, v caption.Video) error {
	return s.write(ctx, "delete a video", func(ctx context.Context) error {
		res, err := s.videos.DeleteOne(ctx, videoVersion(v))
		if err != nil || res.DeletedCount == 1 {
			return err
		}
		if _, err := s.findVideo(ctx, v.ID); caption.KindOf(err) == caption.KindNotFound {
			return nil
		} else if err != nil {
			return err
		}
		return videoChanged()
	})
}
