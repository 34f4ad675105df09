package upload

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"k8s-scalers/internal/caption"
)

// view is an upload as clients see it.
type view struct {
	ID             string             `json:"id"`
	Name           string             `json:"name"`
	Size           int64              `json:"size"`
	State          caption.VideoState `json:"state"`
	PartSize       int64              `json:"part_size"`
	PartCount      int                `json:"part_count"`
	CreatedAt      time.Time          `json:"created_at"`
	Fingerprint    string             `json:"fingerprint,omitempty"`
	Parts          *[]part            `json:"parts,omitempty"` // nil: not asked for; empty: none yet
	MediaURL       string             `json:"media_url,omitempty"`
	MediaExpiresAt *time.Time         `json:"media_expires_at,omitempty"`
}

// part is a part that has arrived.
type part struct {
	Number int   `json:"number"`
	Size   int64 `json:"size"`
}

// summary is the view of an upload in a list.
func summary(v caption.Video) view {
	return view{ID: v.ID, Name: v.Name, Size: v.Size, State: v.State, PartSize: v.PartSize, PartCount: partCount(v),
		CreatedAt: v.Created.UTC(), Fingerprint: v.Fingerprint}
}

// detail is the view of one upload, with what is in the bucket.
func (s *Service) detail(ctx context.Context, r *http.Request, v caption.Video) (view, error) {
	out := summary(v)
	if v.State == caption.VideoComplete {
		expires := s.d.Now().Add(s.d.MediaExpiry).UTC().Truncate(time.Second)
		address, err := s.d.Bucket.PresignGet(ctx, caption.MediaURL{Key: v.Key, Expires: s.d.MediaExpiry, Origin: origin(r),
			ContentType: mediaType(v.Name), FileName: v.Name})
		out.MediaURL, out.MediaExpiresAt = address, &expires
		return out, err
	}
	arrived, err := s.d.Bucket.ListParts(ctx, v.Key, v.MultipartID)
	if err != nil && caption.KindOf(err) == caption.KindNotFound {
		// It has been completed, though its record could not be written, or is lost; completing it tells which. Nothing is left to
		// send: the bucket would refuse it for ever.
		arrived = nil
		for n := 1; n <= partCount(v); n++ {
			arrived = append(arrived, caption.Part{Number: n, Size: partLength(v, n)})
		}
	} else if err != nil {
		return out, err
	}
	parts := []part{}
	for _, p := range arrived {
		if p.Size == partLength(v, p.Number) { // The others have to be sent again.
			parts = append(parts, part{p.Number, p.Size})
		}
	}
	out.Parts = &parts
	return out, nil
}

// partCount is how many parts an upload has.
func partCount(v caption.Video) int { return int((v.Size + v.PartSize - 1) / v.PartSize) }

// partLength is how long a part must be, in bytes; -1 for a part that the upload does not have.
func partLength(v caption.Video, number int) int64 {
	if number < 1 || number > partCount(v) {
		return -1
	}
	return min(v.PartSize, v.Size-int64(number-1)*v.PartSize)
}

// origin is the scheme and host by which the client reached us, as the gateway tells, which overwrites what clients claim. It is empty
// where it makes no sense.
func origin(r *http.Request) string {
	host, scheme := r.Host, "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if h := r.Header.Get("X-Forwarded-Host"); h != "" {
		host = h
	}
	if p := r.Header.Get("X-Forwarded-Proto"); p == "http" || p == "https" {
		scheme = p
	}
	u, err := url.Parse(scheme + "://" + host)
	if err != nil || u.Host != host || host == "" {
		return ""
	}
	return scheme + "://" + host
}
