// Package mongostore keeps jobs, the results of their segments, transcripts and videos in MongoDB or Amazon DocumentDB, for
// deployments of several processes. It uses what both have, and no transactions: every change takes effect with the update of
// one document. What a change of state means is the business of the services.
//
// The collections, and what makes their documents count:
//
//   - jobs: a job, the key of its creation, and got, the numbers of the segments that have a result. A job exists with this document.
//   - texts: of each job its transcript and the words by which it is found. It is made before the job and goes after it, so
//     that a job that exists has one.
//   - segments: the result of a segment. It is stored before its number enters got, and counts only from then on; so a
//     process that dies in between has neither lost nor counted anything, and the next result of the segment takes its place.
//   - deletions: the ids of jobs whose deletion has begun. It ends at the next start of a process where it was cut short.
//   - videos: an upload.
//
// What can be long (the words of a film, its cues) is compressed JSON, because a document has at most 16 MB: that is
// enough for a hundred hours of speech.
package mongostore

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"k8s-scalers/internal/caption"
)

// Config says where the store is. Only URL must be set.
type Config struct {
	// URL is mongodb:// or mongodb+srv://, with the name of the database as its path.
	URL string
	// Timeout is how long a read or a write may take, connecting included. Default 5 s.
	Timeout time.Duration
	Now     func() time.Time
}

// Store implements [caption.Jobs], [caption.JobLists], [caption.Segments], [caption.Transcripts] and [caption.Videos].
type Store struct {
	client                                   *mongo.Client
	jobs, texts, segments, deletions, videos *mongo.Collection
	timeout                                  time.Duration
	now                                      func() time.Time

	prepared  atomic.Bool
	preparing chan struct{} // has a value while somebody prepares
}

// New returns the store. It asks nothing of the server yet, which may be away now and come later.
func New(cfg Config) (*Store, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	o, database, err := clientOptions(cfg)
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(o)
	if err != nil {
		return nil, badURL(cfg.URL, err)
	}
	db := client.Database(database)
	return &Store{
		client: client,
		jobs:   db.Collection("jobs"), texts: db.Collection("texts"), segments: db.Collection("segments"),
		deletions: db.Collection("deletions"), videos: db.Collection("videos"),
		timeout: cfg.Timeout, now: cfg.Now, preparing: make(chan struct{}, 1),
	}, nil
}

// Close ends all connections.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	return fault(ctx, "close the store", s.client.Disconnect(ctx))
}

// Ping tells whether the server can be used.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, "reach the store", func(ctx context.Context) error { return s.client.Ping(ctx, readpref.Primary()) })
}

// read makes a call to the server, bounded in time.
func (s *Store) read(ctx context.Context, doing string, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fault(ctx, doing, err)
	}
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.prepare(bounded)
	if err == nil {
		err = f(bounded)
	}
	return fault(ctx, doing, err)
}

// write is read for what changes something. The end of ctx's time cuts it short, but its cancellation does not, once it has
// begun: nobody could tell whether what was cut off has happened.
func (s *Store) write(ctx context.Context, doing string, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fault(ctx, doing, err)
	}
	uncancelled := context.WithoutCancel(ctx)
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		uncancelled, cancel = context.WithDeadline(uncancelled, end)
		defer cancel()
	}
	return s.read(uncancelled, doing, f)
}

// prepare makes the indexes, and ends what an earlier process was killed in, before the first use. It is repeated until it
// succeeds once. Several processes may do it at the same time.
func (s *Store) prepare(ctx context.Context) error {
	if s.prepared.Load() {
		return nil
	}
	select {
	case s.preparing <- struct{}{}:
		defer func() { <-s.preparing }()
	case <-ctx.Done():
		return fmt.Errorf("wait for the first use of the store: %w", ctx.Err())
	}
	if s.prepared.Load() {
		return nil
	}
	if err := s.makeIndexes(ctx); err != nil {
		return err
	}
	if err := s.endDeletions(ctx); err != nil {
		return err
	}
	s.prepared.Store(true)
	return nil
}

// makeIndexes makes the indexes that are not there. One that is there under the same name, but is another, is an error.
func (s *Store) makeIndexes(ctx context.Context) error {
	index := func(name string, keys ...bson.E) mongo.IndexModel {
		return mongo.IndexModel{Keys: bson.D(keys), Options: options.Index().SetName(name)}
	}
	up := func(field string) bson.E { return bson.E{Key: field, Value: 1} }
	down := func(field string) bson.E { return bson.E{Key: field, Value: -1} }
	idempotency := index("idempotency", up("idempotency"))
	idempotency.Options.SetUnique(true).SetSparse(true)
	for _, c := range []struct {
		of      *mongo.Collection
		indexes []mongo.IndexModel
	}{
		{s.jobs, []mongo.IndexModel{
			index("list", up("owner"), down("created"), down("_id")),
			index("state", up("owner"), up("state")),
			index("not_enqueued", up("state"), up("enqueued"), up("updated")),
			idempotency,
		}},
		// Of the words that are searched for one is looked up; what it finds comes in the order of the list.
		{s.texts, []mongo.IndexModel{index("words", up("owner"), up("words"), down("created"), down("_id"))}},
		{s.segments, []mongo.IndexModel{index("job", up("job"), up("index"))}},
		{s.videos, []mongo.IndexModel{
			index("list", up("owner"), down("created"), down("_id")),
			index("touched", up("state"), up("touched")),
		}},
	} {
		for _, i := range c.indexes {
			if _, err := c.of.Indexes().CreateOne(ctx, i); err != nil {
				return fmt.Errorf("make an index of %s: %w", c.of.Name(), err)
			}
		}
	}
	return nil
}

// millis returns t as it is stored, in whole milliseconds.
func millis(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

func noJob() error { return caption.Errorf(caption.KindNotFound, "There is no such caption job.") }
