package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"k8s-scalers/internal/caption"
)

// jobColumns are the columns of a job in the order of jobValues and scanJob.
const jobColumns = `id, owner, video_id, title, options, state, reason, seq, enqueued, run, duration, segments, done,
	engine, language, created, updated, transcribe_t, done_at_start, finished`

var (
	insertJob = `insert into job (` + jobColumns + `, idempotency) values (?` + strings.Repeat(", ?", 20) + `) returning n`
	updateJob = `update job set (` + jobColumns + `) = (?` + strings.Repeat(", ?", 19) + `) where id = ? and seq = ? returning n`
)

func jobValues(j caption.Job) ([]any, error) {
	options, err := json.Marshal(j.Options)
	if err != nil {
		return nil, err
	}
	var reason sql.NullString
	if j.Reason != nil {
		b, err := json.Marshal(j.Reason)
		if err != nil {
			return nil, err
		}
		reason = sql.NullString{String: string(b), Valid: true}
	}
	return []any{j.ID, j.Owner, j.VideoID, j.Title, string(options), j.State, reason, j.Seq, j.Enqueued, j.Run, j.Duration,
		j.Segments, j.Done, j.Engine, j.Language, millis(j.Created), millis(j.Updated), millis(j.TranscribeT), j.DoneAtStart,
		millis(j.Finished)}, nil
}

func scanJob(scan func(...any) error) (caption.Job, error) {
	var j caption.Job
	var options string
	var reason sql.NullString
	var created, updated, transcribeT, finished int64
	err := scan(&j.ID, &j.Owner, &j.VideoID, &j.Title, &options, &j.State, &reason, &j.Seq, &j.Enqueued, &j.Run,
		&j.Duration, &j.Segments, &j.Done, &j.Engine, &j.Language, &created, &updated, &transcribeT, &j.DoneAtStart, &finished)
	if err != nil {
		return caption.Job{}, err
	}
	if err := json.Unmarshal([]byte(options), &j.Options); err != nil {
		return caption.Job{}, err
	}
	if reason.Valid {
		if err := json.Unmarshal([]byte(reason.String), &j.Reason); err != nil {
			return caption.Job{}, err
		}
	}
	j.Created, j.Updated = fromMillis(created), fromMillis(updated)
	j.TranscribeT, j.Finished = fromMillis(transcribeT), fromMillis(finished)
	return j, nil
}

// readJob reads the job, with a condition on its row.
func readJob(ctx context.Context, db querier, where string, args ...any) (caption.Job, error) {
	j, err := scanJob(db.QueryRowContext(ctx, `select `+jobColumns+` from job where `+where, args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return caption.Job{}, noJob()
	}
	return j, err
}

// readJobs reads jobs, with a condition on their rows, their order and number.
func readJobs(ctx context.Context, db querier, where string, args ...any) ([]caption.Job, error) {
	rows, err := db.QueryContext(ctx, `select `+jobColumns+` from job where `+where, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells of every fault.
	var jobs []caption.Job
	for rows.Next() {
		j, err := scanJob(rows.Scan)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}

// Job returns a job.
func (s *Store) Job(ctx context.Context, id string) (caption.Job, error) {
	j, err := readJob(ctx, s.reader, `id = ?`, id)
	if err != nil {
		return caption.Job{}, fault("read a job", err)
	}
	return j, nil
}

// CreateJob stores a new job.
func (s *Store) CreateJob(ctx context.Context, j caption.Job, idempotencyKey string) (stored caption.Job, created bool, err error) {
	j.Seq, j.Done = 1, 0
	if j.Created.IsZero() {
		j.Created = s.now()
	}
	if j.Updated.IsZero() {
		j.Updated = s.now()
	}
	key := sql.NullString{String: idempotencyKey, Valid: idempotencyKey != ""}
	err = s.write(ctx, "create a job", func(ctx context.Context, tx *sql.Tx) error {
		if key.Valid {
			stored, err = readJob(ctx, tx, `owner = ? and idempotency = ?`, j.Owner, key)
			if err == nil || caption.KindOf(err) != caption.KindNotFound {
				return err
			}
		}
		created = true
		values, err := jobValues(j)
		if err != nil {
			return err
		}
		var n int64
		if err := tx.QueryRowContext(ctx, insertJob, append(values, key)...).Scan(&n); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `insert into search (rowid, title, cues) values (?, ?, '')`, n, j.Title); err != nil {
			return err
		}
		stored, err = readJob(ctx, tx, `id = ?`, j.ID)
		return err
	})
	if err != nil {
		return caption.Job{}, false, err
	}
	return stored, created, nil
}

// errStale says that a job was changed since it was read.
var errStale = errors.New("the job was changed meanwhile")

// UpdateJob changes a job. change runs outside of any transaction, so it may call the store.
func (s *Store) UpdateJob(ctx context.Context, id string, change func(*caption.Job) error) (caption.Job, error) {
	for {
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
		var stored caption.Job
		err = s.write(ctx, "change a job", func(ctx context.Context, tx *sql.Tx) error {
			values, err := jobValues(j)
			if err != nil {
				return err
			}
			var n int64
			err = tx.QueryRowContext(ctx, updateJob, append(values, old.ID, old.Seq)...).Scan(&n)
			if errors.Is(err, sql.ErrNoRows) {
				return errStale
			} else if err != nil {
				return err
			}
			if j.Title != old.Title {
				if _, err := tx.ExecContext(ctx, `update search set title = ? where rowid = ?`, j.Title, n); err != nil {
					return err
				}
			}
			stored, err = readJob(ctx, tx, `id = ?`, id)
			return err
		})
		switch {
		case err == nil:
			return stored, nil
		case !errors.Is(err, errStale):
			return caption.Job{}, err
		}
	}
}

// DeleteJob removes a job and all that belongs to it.
func (s *Store) DeleteJob(ctx context.Context, id string) error {
	return s.write(ctx, "delete a job", func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range []string{
			`delete from search where rowid = (select n from job where id = ?)`,
			`delete from segment where job_id = ?`,
			`delete from transcript where job_id = ?`,
			`delete from job where id = ?`,
		} {
			if _, err := tx.ExecContext(ctx, statement, id); err != nil {
				return err
			}
		}
		return nil
	})
}
