package upload

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
)

const (
	// completeTimeout is how long S3 may take to make an object of the parts. Some copy them.
	completeTimeout = 15 * time.Minute
	// appearTimeout is how long an object may take to appear after another request has completed its upload.
	appearTimeout = 5 * time.Second
	appearPause   = 200 * time.Millisecond
	// maxNamed is how many parts an error names.
	maxNamed = 20
)

// complete makes a video of the parts. It may be called again at any time: what an earlier call has done is found and kept.
func (s *Service) complete(w http.ResponseWriter, r *http.Request, u identity.User) error {
	if r.ContentLength != 0 { // An empty body is as good as an empty object.
		if err := httpapi.ReadJSON(r, &struct{}{}, maxBody); err != nil {
			return err
		}
	}
	// A client that leaves meanwhile does not stop what it has begun: its next call finds it done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), completeTimeout)
	defer cancel()
	var done caption.Video
	err := s.change(ctx, r.PathValue("id"), u, func(v caption.Video) (err error) {
		done, err = s.finish(ctx, v)
		return err
	})
	if err != nil {
		return err
	}
	out, err := s.detail(ctx, r, done)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// finish completes an upload, from wherever it stands. The lock of the upload is held.
func (s *Service) finish(ctx context.Context, v caption.Video) (caption.Video, error) {
	if v.State == caption.VideoComplete {
		return v, nil
	}
	whole, err := s.whole(ctx, v)
	if err != nil {
		return v, err
	}
	if !whole {
		if err := s.assemble(ctx, v); err != nil {
			return v, err
		}
	} else if err := s.d.Bucket.AbortMultipart(ctx, v.Key, v.MultipartID); err != nil { // what a crash may have left of it
		s.d.Logger.WarnContext(ctx, "left-over of a complete upload not removed; the sweep will", "upload_id", v.ID, "error", err)
	}
	v.State, v.Touched = caption.VideoComplete, s.d.Now().UTC()
	if err := s.d.Videos.PutVideo(ctx, v); err != nil {
		return v, err
	}
	s.uploads.WithLabelValues("completed").Inc()
	s.bytes.Add(float64(v.Size))
	return v, nil
}

// whole tells whether the object is in the bucket with the size that it must have.
func (s *Service) whole(ctx context.Context, v caption.Video) (bool, error) {
	o, err := s.d.Bucket.Head(ctx, v.Key)
	switch {
	case err != nil && caption.KindOf(err) == caption.KindNotFound:
		return false, nil
	case err != nil:
		return false, err
	case o.Size != v.Size:
		return false, caption.Errorf(caption.KindConflict, "The stored file has %d bytes instead of %d. Delete this upload and send the file again.", o.Size, v.Size).WithCode("size_mismatch")
	}
	return true, nil
}

// assemble makes the object of the parts, if all are there with the right sizes.
func (s *Service) assemble(ctx context.Context, v caption.Video) error {
	parts, err := s.d.Bucket.ListParts(ctx, v.Key, v.MultipartID)
	if err == nil {
		if err := checkParts(v, parts); err != nil {
			return err
		}
		err = s.d.Bucket.CompleteMultipart(ctx, v.Key, v.MultipartID, parts)
	}
	if err != nil && caption.CodeOf(err) != "no_such_multipart" {
		return err
	}
	// S3 says that it has completed the upload, or that another request has, or is about to.
	return s.await(ctx, v, err)
}

// await waits for the object to appear. cause is why it may never do so.
func (s *Service) await(ctx context.Context, v caption.Video, cause error) error {
	for waited := time.Duration(0); ; waited += appearPause {
		whole, err := s.whole(ctx, v)
		if err != nil || whole {
			return err
		}
		if waited >= appearTimeout {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the completed upload: %w", ctx.Err())
		case <-time.After(appearPause):
		}
	}
	if cause != nil {
		return caption.Errorf(caption.KindConflict, "The storage does not know this upload any more. Delete it and send the file again.").WithCode("upload_lost").WithCause(cause)
	}
	e := caption.Errorf(caption.KindUnavailable, "The storage is still putting the file together. Try again in a few seconds.").WithCode("still_completing")
	e.RetryAfter = 5 * time.Second
	return e
}

// checkParts compares the parts that have arrived with those that must be there.
func checkParts(v caption.Video, parts []caption.Part) error {
	arrived := make(map[int]int64, len(parts))
	for _, p := range parts {
		arrived[p.Number] = p.Size
	}
	var wrong []string
	count := partCount(v)
	for n := 1; n <= count; n++ {
		if size, ok := arrived[n]; !ok || size != partLength(v, n) {
			wrong = append(wrong, fmt.Sprint(n))
		}
		delete(arrived, n)
	}
	if len(arrived) > 0 { // No address was ever signed for such a part.
		return caption.Errorf(caption.KindConflict, "The upload has parts beyond its last one, %d. Delete it and send the file again.", count).WithCode("parts_unexpected")
	}
	if len(wrong) == 0 {
		return nil
	}
	named, more := wrong, ""
	if len(named) > maxNamed {
		named, more = named[:maxNamed], fmt.Sprintf(" and %d more", len(wrong)-maxNamed)
	}
	return caption.Errorf(caption.KindConflict, "%d of %d parts are missing or have the wrong size: %s%s. Send them again, then complete the upload.",
		len(wrong), count, strings.Join(named, ", "), more).WithCode("parts_missing")
}
