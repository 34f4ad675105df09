package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"k8s-scalers/internal/caption"
)

// SaveSegment stores the result of a segment and counts it, in one transaction.
func (s *Store) SaveSegment(ctx context.Context, jobID string, r caption.SegmentResult) (j caption.Job, first bool, err error) {
	result, err := json.Marshal(r)
	if err != nil {
		return caption.Job{}, false, fault("store a segment", err)
	}
	err = s.write(ctx, "store a segment", func(ctx context.Context, tx *sql.Tx) error {
		if j, err = readJob(ctx, tx, `id = ?`, jobID); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `insert into segment (job_id, idx, result) values (?, ?, ?) on conflict do nothing`,
			jobID, r.Index, string(result))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if first = n == 1; !first {
			return nil
		}
		j, err = scanJob(tx.QueryRowContext(ctx, `update job set done = done + 1, seq = seq + 1, updated = ?
			where id = ? returning `+jobColumns, s.now().UnixMilli(), jobID).Scan)
		return err
	})
	if err != nil {
		return caption.Job{}, false, err
	}
	return j, first, nil
}

// Segments returns the results of a job.
func (s *Store) Segments(ctx context.Context, jobID string, from int) ([]caption.SegmentResult, error) {
	rows, err := s.reader.QueryContext(ctx, `select result from segment where job_id = ? and idx >= ? order by idx`, jobID, from)
	if err != nil {
		return nil, fault("read segments", err)
	}
	defer func() { _ = rows.Close() }() // Err tells of every fault.
	var results []caption.SegmentResult
	var raw sql.RawBytes // One row's JSON at a time, without a copy: a film has hundreds of segments.
	for rows.Next() {
		var r caption.SegmentResult
		if err := rows.Scan(&raw); err != nil {
			return nil, fault("read segments", err)
		}
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, fault("read segments", err)
		}
		results = append(results, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fault("read segments", err)
	}
	return results, nil
}

// MissingSegments returns the indexes without a result.
func (s *Store) MissingSegments(ctx context.Context, jobID string, n int) ([]int, error) {
	rows, err := s.reader.QueryContext(ctx, `select idx from segment where job_id = ? and idx between 0 and ? order by idx`, jobID, n-1)
	if err != nil {
		return nil, fault("read missing segments", err)
	}
	defer func() { _ = rows.Close() }() // Err tells of every fault.
	var missing []int
	next := 0
	for rows.Next() {
		var stored int
		if err := rows.Scan(&stored); err != nil {
			return nil, fault("read missing segments", err)
		}
		for ; next < stored; next++ {
			missing = append(missing, next)
		}
		next = stored + 1
	}
	if err := rows.Err(); err != nil {
		return nil, fault("read missing segments", err)
	}
	for ; next < n; next++ {
		missing = append(missing, next)
	}
	return missing, nil
}

// Transcript returns the transcript of a job.
func (s *Store) Transcript(ctx context.Context, jobID string) (caption.Transcript, error) {
	var t caption.Transcript
	var body, cues []byte
	err := s.reader.QueryRowContext(ctx, `select body, cues from transcript where job_id = ?`, jobID).Scan(&body, &cues)
	if errors.Is(err, sql.ErrNoRows) {
		return t, caption.Errorf(caption.KindNotFound, "There is no transcript of this job.")
	}
	if err == nil {
		err = json.Unmarshal(body, &t)
	}
	if err == nil {
		err = json.Unmarshal(cues, &t.Cues)
	}
	if err != nil {
		return caption.Transcript{}, fault("read a transcript", err)
	}
	return t, nil
}

// SaveTranscript stores the next version of a transcript and makes it searchable, in one transaction.
func (s *Store) SaveTranscript(ctx context.Context, t caption.Transcript) (caption.Transcript, error) {
	was := t.Version
	t.Version++
	withoutCues := t
	withoutCues.Cues = nil
	body, err := json.Marshal(withoutCues)
	if err != nil {
		return caption.Transcript{}, fault("store a transcript", err)
	}
	cues, err := json.Marshal(t.Cues)
	if err != nil {
		return caption.Transcript{}, fault("store a transcript", err)
	}
	err = s.write(ctx, "store a transcript", func(ctx context.Context, tx *sql.Tx) error {
		var row int64
		var stored int
		err := tx.QueryRowContext(ctx, `select n, coalesce((select version from transcript where job_id = job.id), 0)
			from job where id = ?`, t.JobID).Scan(&row, &stored)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return noJob()
		case err != nil:
			return err
		case stored != was:
			return caption.Errorf(caption.KindPrecondition, "The captions were changed meanwhile. Load them again, then repeat your change.").
				WithCode("version_conflict")
		}
		if _, err := tx.ExecContext(ctx, `insert or replace into transcript (job_id, version, body, cues) values (?, ?, ?, ?)`,
			t.JobID, t.Version, string(body), string(cues)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `update search set cues = ? where rowid = ?`, searchText(t.Cues), row)
		return err
	})
	if err != nil {
		return caption.Transcript{}, err
	}
	return t, nil
}
