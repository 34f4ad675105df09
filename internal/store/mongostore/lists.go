package mongostore

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"k8s-scalers/internal/caption"
)

// maxLimit is the largest page.
const maxLimit = 100

// ListJobs returns one page of the jobs that match q.
func (s *Store) ListJobs(ctx context.Context, q caption.JobQuery) (page caption.JobPage, err error) {
	if q.Limit < 1 || q.Limit > maxLimit {
		return caption.JobPage{}, caption.Errorf(caption.KindInvalid, "Ask for 1 to %d jobs at a time.", maxLimit).WithCode("bad_limit")
	}
	words, err := parseSearch(q.Text)
	if err != nil {
		return caption.JobPage{}, err
	}
	var from *place
	if q.Cursor != "" {
		if from, err = parseCursor(q.Cursor); err != nil {
			return caption.JobPage{}, err
		}
	}
	// One more than asked for tells whether there is a next page.
	var hits []caption.JobHit
	err = s.read(ctx, "list jobs", func(ctx context.Context) error {
		if len(words) > 0 {
			hits, err = s.searchJobs(ctx, q, words, from, q.Limit+1)
			return err
		}
		hits, err = find(ctx, s.jobs, append(jobFilter(q), after(from)...),
			options.Find().SetProjection(withoutGot).SetSort(newestFirst).SetLimit(int64(q.Limit+1)),
			func(d jobDoc) caption.JobHit { return caption.JobHit{Job: caption.Job(d)} })
		return err
	})
	if err != nil {
		return caption.JobPage{}, err
	}
	if page.Jobs = hits; len(hits) > q.Limit {
		page.Jobs = hits[:q.Limit]
		last := page.Jobs[q.Limit-1].Job
		page.Next = place{last.Created, last.ID}.cursor()
	}
	return page, nil
}

// jobFilter selects the jobs of q, but for the text that is searched for.
func jobFilter(q caption.JobQuery) bson.D {
	filter := bson.D{{Key: "owner", Value: q.Owner}}
	if len(q.States) > 0 {
		filter = append(filter, inStates(q.States))
	}
	if q.VideoID != "" {
		filter = append(filter, bson.E{Key: "video_id", Value: q.VideoID})
	}
	return filter
}

// NotEnqueued returns jobs whose first task the queue has not confirmed, the one that has waited longest first.
func (s *Store) NotEnqueued(ctx context.Context, t time.Time, limit int) (jobs []caption.Job, err error) {
	if limit <= 0 {
		return nil, nil // To MongoDB, 0 means no limit.
	}
	err = s.read(ctx, "list jobs that are not enqueued", func(ctx context.Context) error {
		jobs, err = find(ctx, s.jobs, bson.D{
			{Key: "state", Value: caption.Queued}, {Key: "enqueued", Value: false}, {Key: "updated", Value: bson.D{{Key: "$lt", Value: t}}},
		}, options.Find().SetProjection(withoutGot).SetSort(bson.D{{Key: "updated", Value: 1}}).SetLimit(int64(limit)),
			func(d jobDoc) caption.Job { return caption.Job(d) })
		return err
	})
	return jobs, err
}

// CountJobs counts jobs of an owner.
func (s *Store) CountJobs(ctx context.Context, owner string, states ...caption.State) (n int, err error) {
	filter := bson.D{{Key: "owner", Value: owner}}
	if len(states) > 0 {
		filter = append(filter, inStates(states))
	}
	err = s.read(ctx, "count jobs", func(ctx context.Context) error {
		count, err := s.jobs.CountDocuments(ctx, filter)
		n = int(count)
		return err
	})
	return n, err
}

func inStates(states []caption.State) bson.E {
	return bson.E{Key: "state", Value: bson.D{{Key: "$in", Value: states}}}
}

// place is where a job stands in the order of lists.
type place struct {
	created time.Time
	id      string
}

// cursor is the place as clients get it.
func (p place) cursor() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", p.created.UnixMilli(), p.id))
}

func parseCursor(s string) (*place, error) {
	var created int64
	var p place
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		_, err = fmt.Sscanf(string(b), "%d %s", &created, &p.id)
	}
	if err != nil {
		return nil, caption.Errorf(caption.KindInvalid, "The cursor is not one of ours. Start again without it.").WithCode("bad_cursor")
	}
	p.created = time.UnixMilli(created)
	return &p, nil
}

// after is the condition for what comes behind p, or for all where p is nil.
func after(p *place) bson.D {
	if p == nil {
		return nil
	}
	return bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "created", Value: bson.D{{Key: "$lt", Value: p.created}}}},
		bson.D{{Key: "created", Value: p.created}, {Key: "_id", Value: bson.D{{Key: "$lt", Value: p.id}}}},
	}}}
}
