package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"k8s-scalers/internal/caption"
)

const videoColumns = `id, owner, name, size, state, created, touched, object_key, multipart_id, part_size, fingerprint, version`

func scanVideo(scan func(...any) error) (caption.Video, error) {
	var v caption.Video
	var created, touched int64
	err := scan(&v.ID, &v.Owner, &v.Name, &v.Size, &v.State, &created, &touched, &v.Key, &v.MultipartID, &v.PartSize, &v.Fingerprint, &v.Version)
	v.Created, v.Touched = fromMillis(created), fromMillis(touched)
	return v, err
}

// PutVideo stores a video.
func (s *Store) PutVideo(ctx context.Context, v caption.Video) error {
	return s.write(ctx, "store a video", func(ctx context.Context, tx *sql.Tx) error {
		if err := checkVersion(ctx, tx, v, noVideo()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `insert or replace into video (`+videoColumns+`) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			v.ID, v.Owner, v.Name, v.Size, v.State, millis(v.Created), millis(v.Touched), v.Key, v.MultipartID, v.PartSize, v.Fingerprint, v.Version+1)
		return err
	})
}

// checkVersion tells whether v is what is stored. missing is the answer where it was stored once, and is not any more.
func checkVersion(ctx context.Context, tx *sql.Tx, v caption.Video, missing error) error {
	var version int
	err := tx.QueryRowContext(ctx, `select version from video where id = ?`, v.ID).Scan(&version)
	switch {
	case errors.Is(err, sql.ErrNoRows) && v.Version == 0:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return missing
	case err == nil && version != v.Version:
		return caption.Errorf(caption.KindPrecondition, "The upload was changed meanwhile. Try again.").WithCode("version_conflict")
	}
	return err
}

func noVideo() error { return caption.Errorf(caption.KindNotFound, "There is no such upload.") }

// Video returns a video.
func (s *Store) Video(ctx context.Context, id string) (caption.Video, error) {
	v, err := scanVideo(s.reader.QueryRowContext(ctx, `select `+videoColumns+` from video where id = ?`, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return caption.Video{}, noVideo()
	}
	if err != nil {
		return caption.Video{}, fault("read a video", err)
	}
	return v, nil
}

// ListVideos returns the videos that match q.
func (s *Store) ListVideos(ctx context.Context, q caption.VideoQuery) ([]caption.Video, error) {
	where, args := []string{"true"}, []any{}
	restrict := func(condition string, arg any) { where, args = append(where, condition), append(args, arg) }
	if q.Owner != "" {
		restrict("owner = ?", q.Owner)
	}
	if q.State != "" {
		restrict("state = ?", q.State)
	}
	if q.Fingerprint != "" {
		restrict("fingerprint = ?", q.Fingerprint)
	}
	if !q.TouchedBefore.IsZero() {
		restrict("touched < ?", q.TouchedBefore.UnixMilli())
	}
	limit := q.Limit
	if limit <= 0 {
		limit = -1 // SQLite's word for no limit.
	}
	videos, err := s.readVideos(ctx, strings.Join(where, " and ")+` order by created desc, id desc limit ?`, append(args, limit)...)
	if err != nil {
		return nil, fault("list videos", err)
	}
	return videos, nil
}

// readVideos reads videos, with a condition on their rows, their order and number.
func (s *Store) readVideos(ctx context.Context, where string, args ...any) ([]caption.Video, error) {
	rows, err := s.reader.QueryContext(ctx, `select `+videoColumns+` from video where `+where, args...) //nolint:gosec // Conditions are constants, values are arguments.
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells of every fault.
	var videos []caption.Video
	for rows.Next() {
		v, err := scanVideo(rows.Scan)
		if err != nil {
			return nil, err
		}
		videos = append(videos, v)
	}
	return videos, rows.Err()
}

// DeleteVideo removes the record of a video.
func (s *Store) DeleteVideo(ctx context.Context, v caption.Video) error {
	return s.write(ctx, "delete a video", func(ctx context.Context, tx *sql.Tx) error {
		if err := checkVersion(ctx, tx, v, nil); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `delete from video where id = ?`, v.ID)
		return err
	})
}
