// Package upload is upload-service: it owns the uploads of videos, from their creation over the addresses to which clients
// send the parts, to their completion, and removes those that were abandoned. The bytes themselves go from the client to
// the bucket and never through here. What is done with a complete video is up to caption-service and the workers.
package upload

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
	"k8s-scalers/internal/telemetry"
)

// Multiparts begins and ends uploads in the bucket. The code of an error about an upload that does not exist (any more) is
// no_such_multipart; aborting one is no error.
type Multiparts interface {
	CreateMultipart(ctx context.Context, key, contentType string) (id string, err error)
	ListParts(ctx context.Context, key, id string) ([]caption.Part, error)
	CompleteMultipart(ctx context.Context, key, id string, parts []caption.Part) error
	AbortMultipart(ctx context.Context, key, id string) error
}

// Objects looks up and removes finished objects. Deleting one that does not exist is no error.
type Objects interface {
	Head(ctx context.Context, key string) (caption.Object, error)
	Delete(ctx context.Context, key string) error
}

// Signer makes the addresses by which clients reach the bucket without us.
type Signer interface {
	PresignPart(ctx context.Context, p caption.PartURL) (string, error)
	PresignGet(ctx context.Context, m caption.MediaURL) (string, error)
}

// MultipartLister finds uploads that nobody remembers.
type MultipartLister interface {
	ListMultiparts(ctx context.Context, prefix string) iter.Seq2[caption.Multipart, error]
}

// Bucket is what the service needs of the bucket.
type Bucket interface {
	Multiparts
	Objects
	Signer
	MultipartLister
}

// Limits are how much users may store. A negative value means no limit, zero the default.
type Limits struct {
	MaxFileSize    int64 // bytes; default 20 GiB
	MaxUserBytes   int64 // of all uploads of one user together; default 200 GiB
	MaxUserUploads int   // of one user, complete ones included; default 1000
	MaxOpenUploads int   // of one user, unfinished ones; default 20
}

// Deps are what the service needs. Videos, Bucket and Verifier are required; zero values of the rest mean the default.
type Deps struct {
	Videos   caption.Videos
	Bucket   Bucket
	Verifier identity.Verifier
	Limits   Limits

	// PartSize is the size of parts, in bytes. They are larger where there would be more than MaxParts. Default 16 MiB.
	PartSize int64
	// MaxParts is how many parts an upload may have. Default 10,000, which is what S3 allows.
	MaxParts int
	// PartExpiry is how long an address for a part is good. Default 1 hour.
	PartExpiry time.Duration
	// MediaExpiry is how long an address for playing is good. Default 4 hours, at most 6.
	MediaExpiry time.Duration
	// StaleAfter is how long nobody must have touched an unfinished upload before it is removed. Default 48 hours.
	StaleAfter time.Duration
	// SweepEvery is how often stale uploads are looked for. Default 10 minutes.
	SweepEvery time.Duration

	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	maxMediaExpiry = 6 * time.Hour
	// orphanAge is how old an upload in the bucket must be before one without a record counts as abandoned: the record of a new
	// one is about to be written.
	orphanAge = time.Hour
)

// Service is upload-service.
type Service struct {
	d     Deps
	locks locks // by upload, and by user while one is created

	uploads *prometheus.CounterVec
	bytes   prometheus.Counter
	faults  prometheus.Counter
}

// New returns the service. It starts nothing: see [Service.Handler] and [Service.Run].
func New(d Deps) *Service {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	defaultTo(&d.Limits.MaxFileSize, 20<<30)
	defaultTo(&d.Limits.MaxUserBytes, 200<<30)
	defaultTo(&d.Limits.MaxUserUploads, 1000)
	defaultTo(&d.Limits.MaxOpenUploads, 20)
	defaultTo(&d.PartSize, 16<<20)
	defaultTo(&d.MaxParts, 10_000)
	defaultTo(&d.PartExpiry, time.Hour)
	defaultTo(&d.MediaExpiry, 4*time.Hour)
	defaultTo(&d.StaleAfter, 48*time.Hour)
	defaultTo(&d.SweepEvery, 10*time.Minute)
	d.MediaExpiry = min(d.MediaExpiry, maxMediaExpiry)
	return &Service{
		d: d,
		uploads: telemetry.Register(d.Registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "captions_uploads_total", Help: "Uploads by what became of them: created, completed, deleted, or removed because they were stale or orphaned.",
		}, []string{"event"})),
		bytes: telemetry.Register(d.Registerer, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "captions_uploaded_bytes_total", Help: "Bytes of completed uploads.",
		})),
		faults: telemetry.Register(d.Registerer, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "captions_upload_sweep_errors_total", Help: "Abandoned uploads that could not be removed; they are tried again.",
		})),
	}
}

func defaultTo[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Handler returns the routes of the service.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	user := func(pattern string, h userHandler) {
		mux.Handle(pattern, identity.Require(s.d.Verifier, httpapi.Handler(func(w http.ResponseWriter, r *http.Request) error {
			u, _ := identity.UserOf(r.Context())
			httpapi.NoteUser(r.Context(), u.ID)
			return h(w, r, u)
		})))
	}
	user("POST /api/v1/uploads", s.create)
	user("GET /api/v1/uploads", s.list)
	user("GET /api/v1/uploads/{id}", s.get)
	user("DELETE /api/v1/uploads/{id}", s.delete)
	user("POST /api/v1/uploads/{id}/parts", s.signParts)
	user("POST /api/v1/uploads/{id}/complete", s.complete)
	return mux
}

type userHandler func(w http.ResponseWriter, r *http.Request, u identity.User) error

// owned returns the upload of that id if u owns it. Another user's upload does not exist for u.
func (s *Service) owned(ctx context.Context, id string, u identity.User) (caption.Video, error) {
	notFound := caption.Errorf(caption.KindNotFound, "There is no upload with this id.").WithCode("upload_not_found")
	if !caption.ValidID(id) {
		return caption.Video{}, notFound
	}
	v, err := s.d.Videos.Video(ctx, id)
	switch {
	case err != nil && caption.KindOf(err) == caption.KindNotFound, err == nil && v.Owner != u.ID:
		return caption.Video{}, notFound
	case err != nil:
		return caption.Video{}, err
	}
	return v, nil
}

// maxTries is how often a change is tried that another replica comes in between of.
const maxTries = 5

// change runs f with the upload of that id, if u owns it, while nobody else in this process changes it. Where another replica
// has changed it meanwhile, so that f's own change was refused, f runs again; so it must be such as can be run twice.
func (s *Service) change(ctx context.Context, id string, u identity.User, f func(v caption.Video) error) error {
	if _, err := s.owned(ctx, id, u); err != nil { // before it can wait for another user's
		return err
	}
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	for try := 1; ; try++ {
		v, err := s.owned(ctx, id, u)
		if err != nil {
			return err
		}
		if err = f(v); caption.KindOf(err) != caption.KindPrecondition || try == maxTries {
			return err
		}
	}
}
