// Package captioning is caption-service: it takes caption requests for uploaded videos, stores them as jobs, puts
// their first task on the queue without ever losing one, streams their progress, and serves their results. The work
// itself is done by package worker.
package captioning

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/telemetry"
)

// Objects is what the service needs of the bucket: to forget a job's files.
type Objects interface {
	DeletePrefix(ctx context.Context, prefix string) error
}

// Deps are what the service needs.
type Deps struct {
	Jobs        caption.Jobs
	Lists       caption.JobLists
	Segments    caption.Segments
	Transcripts caption.Transcripts
	Videos      caption.VideoReader
	Publisher   caption.Publisher
	DeadLetters caption.DeadLetters
	// Backlog is shown as metrics; nil: it is not.
	Backlog  caption.QueueStatser
	Events   caption.Events
	Tickets  caption.Tickets
	Objects  Objects
	Verifier identity.Verifier
	// Engines are the enabled speech engines; the first is the default.
	Engines []speech.Capabilities
	// MaxActive is how many jobs of one user may be unfinished at a time; 0 means no limit.
	MaxActive int

	Now        func() time.Time      // nil: time.Now
	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: not registered
}

// Service is caption-service.
type Service struct {
	Deps
	messages messageCache
	reads    jobReads
	streams  streams
	buried   map[string]bool // dead letters whose jobs have failed; Run's own

	accepted    prometheus.Counter
	republished prometheus.Counter
	subscribers prometheus.Gauge
}

// New returns the service. It starts nothing: see [Service.Handler] and [Service.Run].
func New(d Deps) *Service {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Backlog != nil {
		telemetry.Register(d.Registerer, newBacklog(d.Backlog, d.Logger))
	}
	f := promauto.With(d.Registerer)
	return &Service{
		Deps: d, buried: map[string]bool{},
		accepted: f.NewCounter(prometheus.CounterOpts{Name: "captions_jobs_accepted_total",
			Help: "Caption jobs that were stored."}),
		republished: f.NewCounter(prometheus.CounterOpts{Name: "captions_jobs_republished_total",
			Help: "Jobs whose first task was published again because the queue had not confirmed it."}),
		subscribers: f.NewGauge(prometheus.GaugeOpts{Name: "captions_event_subscribers",
			Help: "WebSocket and SSE subscribers of job events."}),
	}
}

// Handler returns the routes of the service.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	user := func(pattern string, h userHandler) {
		mux.Handle(pattern, identity.Require(s.Verifier, httpapi.Handler(func(w http.ResponseWriter, r *http.Request) error {
			u, _ := identity.UserOf(r.Context())
			return h(w, r, u)
		})))
	}
	user("GET /api/v1/captions/options", s.options)
	user("POST /api/v1/captions", s.create)
	user("GET /api/v1/captions", s.list)
	user("GET /api/v1/captions/{id}", s.get)
	user("DELETE /api/v1/captions/{id}", s.delete)
	user("POST /api/v1/captions/{id}/retry", s.retry)
	user("POST /api/v1/captions/{id}/cancel", s.cancel)
	user("POST /api/v1/captions/{id}/events/ticket", s.ticket)
	user("GET /api/v1/captions/{id}/transcript", s.transcript)
	user("PUT /api/v1/captions/{id}/transcript", s.saveTranscript)
	user("GET /api/v1/result/{id}", s.result)
	// A browser cannot send a header with a WebSocket, so this route also takes a ticket and authenticates itself.
	mux.Handle("GET /api/v1/captions/{id}/events", httpapi.Handler(s.events))
	return mux
}

type userHandler func(w http.ResponseWriter, r *http.Request, u identity.User) error

// owned returns the job of that id if u owns it. Another user's job does not exist for u.
func (s *Service) owned(ctx context.Context, id string, u identity.User) (caption.Job, error) {
	notFound := caption.Errorf(caption.KindNotFound, "There is no caption job with this id.").WithCode("job_not_found")
	if !caption.ValidID(id) {
		return caption.Job{}, notFound
	}
	j, err := s.Jobs.Job(ctx, id)
	if caption.KindOf(err) == caption.KindNotFound && err != nil || err == nil && j.Owner != u.ID {
		return caption.Job{}, notFound
	}
	return j, err
}
