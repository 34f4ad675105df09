package upload

import (
	"context"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
)

// Run removes abandoned uploads, now and then, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	for {
		s.sweep(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.d.SweepEvery):
		}
	}
}

// sweep removes what is abandoned now. What fails is logged and tried again in the next sweep; the rest goes on.
func (s *Service) sweep(ctx context.Context) {
	s.sweepStale(ctx)
	s.sweepOrphans(ctx)
}

// sweepStale removes unfinished uploads that nobody has touched for long.
func (s *Service) sweepStale(ctx context.Context) {
	before := s.d.Now().Add(-s.d.StaleAfter)
	stale, err := s.d.Videos.ListVideos(ctx, caption.VideoQuery{State: caption.VideoUploading, TouchedBefore: before})
	if err != nil {
		s.failed(ctx, "stale uploads could not be listed", "", err)
		return
	}
	for _, v := range stale {
		if ctx.Err() != nil {
			return
		}
		if err := s.reap(ctx, v.ID, before); err != nil {
			s.failed(ctx, "stale upload not removed", v.ID, err)
		}
	}
}

// reap removes an upload if it is still stale. One that S3 has completed, but whose record does not say so, is completed instead.
func (s *Service) reap(ctx context.Context, id string, before time.Time) error {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	v, err := s.d.Videos.Video(ctx, id)
	if err != nil {
		if caption.KindOf(err) == caption.KindNotFound {
			return nil
		}
		return err
	}
	if v.State != caption.VideoUploading || !v.Touched.Before(before) {
		return nil
	}
	if whole, err := s.whole(ctx, v); err != nil && caption.KindOf(err) != caption.KindConflict {
		return err
	} else if whole {
		_, err := s.finish(ctx, v)
		return err
	}
	// The record goes first: a client that has just come back to another replica has changed it, and then keeps the upload. What
	// cannot be removed from the bucket now is an orphan, which the sweep removes later.
	if err := s.d.Videos.DeleteVideo(ctx, v); caption.KindOf(err) == caption.KindPrecondition {
		return nil
	} else if err != nil {
		return err
	}
	s.uploads.WithLabelValues("stale").Inc()
	if err := s.removeFromBucket(ctx, v); err != nil {
		return err
	}
	s.d.Logger.InfoContext(ctx, "stale upload removed", "upload_id", id, "touched", v.Touched)
	return nil
}

// sweepOrphans aborts uploads in the bucket that no record knows, or whose record is complete.
func (s *Service) sweepOrphans(ctx context.Context) {
	before := s.d.Now().Add(-orphanAge)
	for m, err := range s.d.Bucket.ListMultiparts(ctx, caption.VideoPrefix) {
		if err != nil {
			s.failed(ctx, "uploads of the bucket could not be listed", "", err)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if !m.Started.Before(before) {
			continue
		}
		if err := s.abortOrphan(ctx, m); err != nil {
			s.failed(ctx, "orphaned upload not aborted", strings.TrimPrefix(m.Key, caption.VideoPrefix), err)
		}
	}
}

func (s *Service) abortOrphan(ctx context.Context, m caption.Multipart) error {
	id := strings.TrimPrefix(m.Key, caption.VideoPrefix)
	if !caption.ValidID(id) {
		return nil // It is none of ours.
	}
	v, err := s.d.Videos.Video(ctx, id)
	switch {
	case err == nil && v.MultipartID == m.ID && v.State == caption.VideoUploading:
		return nil
	case err != nil && caption.KindOf(err) != caption.KindNotFound:
		return err
	}
	if err := s.d.Bucket.AbortMultipart(ctx, m.Key, m.ID); err != nil {
		return err
	}
	s.uploads.WithLabelValues("orphaned").Inc()
	s.d.Logger.InfoContext(ctx, "orphaned upload aborted", "upload_id", id, "started", m.Started)
	return nil
}

// failed notes what a sweep could not do. The end of the service is no failure.
func (s *Service) failed(ctx context.Context, message, id string, err error) {
	if ctx.Err() != nil {
		return
	}
	s.faults.Inc()
	s.d.Logger.WarnContext(ctx, "the sweep could not do all; it will try again", "what", message, "upload_id", id, "error", err)
}
