package upload

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
)

const (
	maxNumbers   = 100 // part numbers in one request
	defaultLimit = 100 // uploads in a list
	maxLimit     = 1000
	// touchEvery is how old the note of the last activity gets before it is renewed: once for many parts.
	touchEvery = time.Minute
)

// list returns the caller's uploads.
func (s *Service) list(w http.ResponseWriter, r *http.Request, u identity.User) error {
	q := r.URL.Query()
	query := caption.VideoQuery{Owner: u.ID, State: caption.VideoState(q.Get("state")), Fingerprint: q.Get("fingerprint"), Limit: defaultLimit}
	switch query.State {
	case "", caption.VideoUploading, caption.VideoComplete:
	default:
		return caption.Errorf(caption.KindInvalid, "The state is either %s or %s.", caption.VideoUploading, caption.VideoComplete).WithCode("state_invalid")
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return caption.Errorf(caption.KindInvalid, "The limit is a number from 1 to %d.", maxLimit).WithCode("limit_invalid")
		}
		query.Limit = n
	}
	videos, err := s.d.Videos.ListVideos(r.Context(), query)
	if err != nil {
		return err
	}
	out := struct {
		Uploads []view `json:"uploads"`
	}{make([]view, len(videos))}
	for i, v := range videos {
		out.Uploads[i] = summary(v)
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// get returns one upload.
func (s *Service) get(w http.ResponseWriter, r *http.Request, u identity.User) error {
	v, err := s.owned(r.Context(), r.PathValue("id"), u)
	if err != nil {
		return err
	}
	out, err := s.detail(r.Context(), r, v)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// signed is a part with the address that it can be sent to.
type signed struct {
	Number int    `json:"number"`
	URL    string `json:"url"`
	Size   int64  `json:"size"`
}

// signParts returns addresses for parts.
func (s *Service) signParts(w http.ResponseWriter, r *http.Request, u identity.User) error {
	var in struct {
		Numbers []int `json:"numbers"`
	}
	if err := httpapi.ReadJSON(r, &in, maxBody); err != nil {
		return err
	}
	if len(in.Numbers) == 0 || len(in.Numbers) > maxNumbers {
		return caption.Errorf(caption.KindInvalid, "Ask for 1 to %d parts at a time.", maxNumbers).WithCode("numbers_invalid")
	}
	v, err := s.owned(r.Context(), r.PathValue("id"), u)
	if err != nil {
		return err
	}
	if v.State != caption.VideoUploading {
		return alreadyComplete()
	}
	now := s.d.Now()
	if now.Sub(v.Touched) >= touchEvery {
		if err := s.touch(r.Context(), v.ID, u); err != nil {
			return err
		}
	}
	out := struct {
		Parts     []signed  `json:"parts"`
		ExpiresAt time.Time `json:"expires_at"`
	}{make([]signed, len(in.Numbers)), now.Add(s.d.PartExpiry).UTC().Truncate(time.Second)}
	for i, n := range in.Numbers {
		size := partLength(v, n)
		if size < 0 {
			return caption.Errorf(caption.KindInvalid, "There is no part %d: the parts of this upload are 1 to %d.", n, partCount(v)).WithCode("numbers_invalid")
		}
		address, err := s.d.Bucket.PresignPart(r.Context(), caption.PartURL{Key: v.Key, MultipartID: v.MultipartID, Number: n, Size: size,
			Expires: s.d.PartExpiry, Origin: origin(r)})
		if err != nil {
			return err
		}
		out.Parts[i] = signed{n, address, size}
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func alreadyComplete() error {
	return caption.Errorf(caption.KindConflict, "This upload is complete already.").WithCode("upload_complete")
}

// touch notes that the client is still there.
func (s *Service) touch(ctx context.Context, id string, u identity.User) error {
	return s.change(ctx, id, u, func(v caption.Video) error {
		if v.State != caption.VideoUploading {
			return alreadyComplete()
		}
		v.Touched = s.d.Now().UTC()
		return s.d.Videos.PutVideo(ctx, v)
	})
}

// delete aborts an upload, or deletes a video. The record goes last, so that a request that was cut short can be made again.
func (s *Service) delete(w http.ResponseWriter, r *http.Request, u identity.User) error {
	err := s.change(r.Context(), r.PathValue("id"), u, func(v caption.Video) error {
		return s.remove(r.Context(), v, "deleted")
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// remove removes everything of an upload. The lock of the upload is held. Where another replica completes it at the same time
// the record has changed, and everything is done again.
func (s *Service) remove(ctx context.Context, v caption.Video, event string) error {
	if err := s.removeFromBucket(ctx, v); err != nil {
		return err
	}
	if err := s.d.Videos.DeleteVideo(ctx, v); err != nil {
		return err
	}
	s.uploads.WithLabelValues(event).Inc()
	return nil
}

// removeFromBucket removes what the bucket has of an upload.
func (s *Service) removeFromBucket(ctx context.Context, v caption.Video) error {
	if v.State == caption.VideoUploading {
		if err := s.d.Bucket.AbortMultipart(ctx, v.Key, v.MultipartID); err != nil {
			return err
		}
	}
	// Of an upload that is not complete by its record there may be an object too, if the record could not be written.
	return s.d.Bucket.Delete(ctx, v.Key)
}
