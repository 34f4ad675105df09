package upload

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
)

const (
	maxBody        = 64 << 10 // bytes of a request
	maxFingerprint = 256      // bytes
	mebibyte       = 1 << 20
	// undoTimeout is how long taking back a half-made upload may take after its request has ended. The sweep does what stays.
	undoTimeout = 10 * time.Second
)

// create begins an upload.
func (s *Service) create(w http.ResponseWriter, r *http.Request, u identity.User) error {
	var in struct {
		Name        string `json:"name"`
		Size        int64  `json:"size"`
		Fingerprint string `json:"fingerprint"`
	}
	if err := httpapi.ReadJSON(r, &in, maxBody); err != nil {
		return err
	}
	if err := s.checkNew(in.Name, in.Size, in.Fingerprint); err != nil {
		return err
	}
	now := s.d.Now().UTC()
	v := caption.Video{ID: caption.NewID(), Owner: u.ID, Name: cleanName(in.Name), Size: in.Size, State: caption.VideoUploading,
		Created: now, Touched: now, PartSize: s.partSize(in.Size), Fingerprint: in.Fingerprint}
	v.Key = caption.VideoKey(v.ID)
	if err := s.admit(r.Context(), v); err != nil {
		return err
	}
	out := summary(v)
	out.Parts = &[]part{}
	s.uploads.WithLabelValues("created").Inc()
	w.Header().Set("Location", "/api/v1/uploads/"+v.ID)
	return httpapi.WriteJSON(w, http.StatusCreated, out)
}

func (s *Service) checkNew(name string, size int64, fingerprint string) error {
	limit := s.d.Limits.MaxFileSize
	switch {
	case name == "":
		return caption.Errorf(caption.KindInvalid, "Give the name of the file.").WithCode("name_missing")
	case size <= 0:
		return caption.Errorf(caption.KindInvalid, "The file is empty, or its size was not given. Choose a file with content.").WithCode("size_invalid")
	case len(fingerprint) > maxFingerprint || !utf8.ValidString(fingerprint):
		return caption.Errorf(caption.KindInvalid, "The fingerprint is longer than %d bytes.", maxFingerprint).WithCode("fingerprint_invalid")
	case limit > 0 && size > limit:
		return caption.Errorf(caption.KindTooLarge, "The file has %s; the largest that this server takes has %s. Make it smaller, or cut it.", amount(size), amount(limit)).WithCode("too_large")
	case size > int64(s.d.MaxParts)*maxPart:
		return caption.Errorf(caption.KindTooLarge, "The file has %s; the largest that can be stored has %s.", amount(size), amount(int64(s.d.MaxParts)*maxPart)).WithCode("too_large")
	}
	return nil
}

// maxPart is the largest part that S3 takes, in bytes.
const maxPart = 5 << 30

// partSize is the size of the parts of a file: as configured, or larger, in whole MiB, where there would be too many.
func (s *Service) partSize(size int64) int64 {
	least := (size + int64(s.d.MaxParts) - 1) / int64(s.d.MaxParts)
	if least <= s.d.PartSize {
		return s.d.PartSize
	}
	return min((least+mebibyte-1)/mebibyte*mebibyte, maxPart)
}

// admit stores a new upload if its user may have one more of this size. The record is written before the user's uploads are counted
// for good: of two creations at the same time, in whatever process, at least one sees the other, so that both together
// never get more than is allowed.
func (s *Service) admit(ctx context.Context, v caption.Video) error {
	if err := s.checkQuota(ctx, v); err != nil { // before anything is made that would have to be undone
		return err
	}
	id, err := s.d.Bucket.CreateMultipart(ctx, v.Key, "application/octet-stream")
	if err != nil {
		return err
	}
	v.MultipartID = id
	err = s.store(ctx, v)
	// A store that did not answer may have the record all the same. Then the client, which finds the upload by its fingerprint,
	// goes on with it; if there is no record, the sweep aborts what no record knows.
	if err != nil && caption.KindOf(err) != caption.KindUnavailable {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		if abort := s.d.Bucket.AbortMultipart(undo, v.Key, id); abort != nil {
			s.d.Logger.WarnContext(ctx, "refused upload not aborted; the sweep will", "upload_id", v.ID, "error", abort)
		}
	}
	return err
}

// store writes the record of a new upload and counts again. Within this process creations of one user take turns, so that not both of
// two are refused where there is room for one.
func (s *Service) store(ctx context.Context, v caption.Video) error {
	unlock, err := s.locks.lock(ctx, "user "+v.Owner)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.d.Videos.PutVideo(ctx, v); err != nil {
		return err
	}
	v.Version++
	if err := s.checkQuota(ctx, v); err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		if del := s.d.Videos.DeleteVideo(undo, v); del != nil {
			s.d.Logger.WarnContext(ctx, "refused upload not deleted; the sweep will", "upload_id", v.ID, "error", del)
		}
		return err
	}
	return nil
}

// checkQuota tells whether v's owner may have v beside all others.
func (s *Service) checkQuota(ctx context.Context, v caption.Video) error {
	all, err := s.d.Videos.ListVideos(ctx, caption.VideoQuery{Owner: v.Owner})
	if err != nil {
		return err
	}
	l, total, count, open := s.d.Limits, v.Size, 1, 1
	for _, o := range all {
		if o.ID == v.ID {
			continue
		}
		total += o.Size
		count++
		if o.State == caption.VideoUploading {
			open++
		}
	}
	switch {
	case l.MaxUserBytes > 0 && total > l.MaxUserBytes:
		return caption.Errorf(caption.KindTooLarge, "You store %s, and with this file of %s it would be more than the %s that you may store. Delete videos that you do not need any more.",
			amount(total-v.Size), amount(v.Size), amount(l.MaxUserBytes)).WithCode("quota_exceeded")
	case l.MaxUserUploads > 0 && count > l.MaxUserUploads:
		return caption.Errorf(caption.KindTooLarge, "You have %d videos, which is as many as you may have. Delete some that you do not need any more.", count-1).WithCode("quota_exceeded")
	case l.MaxOpenUploads > 0 && open > l.MaxOpenUploads:
		return caption.Errorf(caption.KindRateLimited, "You have %d unfinished uploads, which is as many as you may have. Finish or delete some first.", open-1).WithCode("too_many_uploads")
	}
	return nil
}
