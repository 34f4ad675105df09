package sqlitestore

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
)

// maxLimit is the largest page.
const maxLimit = 100

// ListJobs returns one page of the jobs that match q.
func (s *Store) ListJobs(ctx context.Context, q caption.JobQuery) (caption.JobPage, error) {
	if q.Limit < 1 || q.Limit > maxLimit {
		return caption.JobPage{}, caption.Errorf(caption.KindInvalid, "Ask for 1 to %d jobs at a time.", maxLimit).WithCode("bad_limit")
	}
	words, err := searchWords(q.Text)
	if err != nil {
		return caption.JobPage{}, err
	}
	where, args := []string{"owner = ?"}, []any{q.Owner}
	if len(words) > 0 {
		where, args = append(where, "n in (select rowid from search where search match ?)"), append(args, matchExpression(words))
	}
	if len(q.States) > 0 {
		condition, states := inStates(q.States)
		where, args = append(where, condition), append(args, states...)
	}
	if q.VideoID != "" {
		where, args = append(where, "video_id = ?"), append(args, q.VideoID)
	}
	if q.Cursor != "" {
		created, id, err := parseCursor(q.Cursor)
		if err != nil {
			return caption.JobPage{}, err
		}
		where, args = append(where, "(created, id) < (?, ?)"), append(args, created, id)
	}
	// One transaction, so that hits belong to the very transcript that was found.
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return caption.JobPage{}, fault("list jobs", err)
	}
	defer func() { _ = tx.Rollback() }() // It has changed nothing.
	// One more than asked for tells whether there is a next page.
	jobs, err := readJobs(ctx, tx, strings.Join(where, " and ")+` order by created desc, id desc limit ?`, append(args, q.Limit+1)...)
	if err != nil {
		return caption.JobPage{}, fault("list jobs", err)
	}
	var page caption.JobPage
	if len(jobs) > q.Limit {
		jobs = jobs[:q.Limit]
		page.Next = cursor(jobs[q.Limit-1])
	}
	for _, j := range jobs {
		hit := caption.JobHit{Job: j}
		if len(words) > 0 {
			if hit.Hits, err = readHits(ctx, tx, j.ID, words); err != nil {
				return caption.JobPage{}, fault("list jobs", err)
			}
		}
		page.Jobs = append(page.Jobs, hit)
	}
	return page, nil
}

// NotEnqueued returns jobs whose first task the queue has not confirmed, the one that has waited longest first.
func (s *Store) NotEnqueued(ctx context.Context, t time.Time, limit int) ([]caption.Job, error) {
	jobs, err := readJobs(ctx, s.reader, `state = 'queued' and enqueued = 0 and updated < ? order by updated limit ?`,
		t.UnixMilli(), max(limit, 0))
	if err != nil {
		return nil, fault("list jobs that are not enqueued", err)
	}
	return jobs, nil
}

// CountJobs counts jobs of an owner.
func (s *Store) CountJobs(ctx context.Context, owner string, states ...caption.State) (n int, err error) {
	query, args := `select count(*) from job where owner = ?`, []any{owner}
	if len(states) > 0 {
		condition, values := inStates(states)
		query, args = query+" and "+condition, append(args, values...)
	}
	if err := s.reader.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return 0, fault("count jobs", err)
	}
	return n, nil
}

func inStates(states []caption.State) (condition string, args []any) {
	for _, state := range states {
		args = append(args, state)
	}
	return "state in (?" + strings.Repeat(", ?", len(states)-1) + ")", args
}

// cursor names the place behind j in the order of a list.
func cursor(j caption.Job) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", j.Created.UnixMilli(), j.ID))
}

func parseCursor(s string) (created int64, id string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		_, err = fmt.Sscanf(string(b), "%d %s", &created, &id)
	}
	if err != nil {
		return 0, "", caption.Errorf(caption.KindInvalid, "The cursor is not one of ours. Start again without it.").WithCode("bad_cursor")
	}
	return created, id, nil
}
