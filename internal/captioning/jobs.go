package captioning

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/text/language"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/subtitle"
	"k8s-scalers/internal/telemetry"
)

type createRequest struct {
	UploadID string `json:"upload_id"`
	Title    string `json:"title"`
	caption.Options
}

func (s *Service) create(w http.ResponseWriter, r *http.Request, u identity.User) error {
	var req createRequest
	if err := httpapi.ReadJSON(r, &req, 64<<10); err != nil {
		return err
	}
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 128 {
		return caption.Errorf(caption.KindInvalid, "The Idempotency-Key header may have at most 128 characters.").WithCode("bad_idempotency_key")
	}
	if err := s.checkOptions(&req.Options); err != nil {
		return err
	}
	video, err := s.video(r.Context(), req.UploadID, u)
	if err != nil {
		return err
	}
	title := strings.TrimSpace(req.Title)
	if title == "" {
		title = video.Name
	}
	if len(title) > 255 || !printable(title) {
		return caption.Errorf(caption.KindInvalid, "The title may have at most 255 bytes and no control characters.").WithCode("bad_title")
	}
	if err := s.checkActive(r.Context(), u); err != nil {
		return err
	}
	now := s.Now()
	job, created, err := s.Jobs.CreateJob(r.Context(), caption.Job{
		ID: caption.NewID(), Owner: u.ID, VideoID: video.ID, Title: title, Options: req.Options,
		State: caption.Queued, Run: 1, Created: now, Updated: now,
	}, key)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/captions/"+job.ID)
	if !created {
		if job.VideoID != video.ID {
			return caption.Errorf(caption.KindConflict, "This Idempotency-Key was used for another upload. Use a new key for a new request.").WithCode("idempotency_key_reused")
		}
		return httpapi.WriteJSON(w, http.StatusOK, s.view(job))
	}
	s.accepted.Inc()
	// The job is accepted: it is stored. When the queue is away now, Run publishes it later.
	if j, err := s.enqueue(r.Context(), job); err == nil {
		job = j
	} else {
		s.Logger.WarnContext(r.Context(), "task not published yet", "job_id", job.ID, "error", err)
	}
	return httpapi.WriteJSON(w, http.StatusCreated, s.view(job))
}

// enqueue publishes the first task of a job and records that the queue has it.
func (s *Service) enqueue(ctx context.Context, j caption.Job) (caption.Job, error) {
	ctx = telemetry.WithAttrs(ctx, slog.String("job_id", j.ID))
	sending, span := telemetry.Span(ctx, "publish prepare", trace.SpanKindProducer, attribute.String("captions.job_id", j.ID))
	err := s.Publisher.Publish(sending, caption.Task{Kind: caption.Prepare, JobID: j.ID, Run: j.Run, Trace: telemetry.Traceparent(sending)})
	telemetry.End(span, err)
	if err != nil {
		return j, fmt.Errorf("publish: %w", err)
	}
	return s.Jobs.UpdateJob(ctx, j.ID, func(n *caption.Job) error {
		if n.Run != j.Run || n.Enqueued {
			return caption.ErrUnchanged
		}
		n.Enqueued = true
		return nil
	})
}

func (s *Service) checkActive(ctx context.Context, u identity.User) error {
	if s.MaxActive == 0 {
		return nil
	}
	n, err := s.Lists.CountJobs(ctx, u.ID, caption.Queued, caption.Preparing, caption.Transcribing, caption.Assembling)
	if err != nil {
		return err
	}
	if n >= s.MaxActive {
		return &caption.Error{Kind: caption.KindRateLimited, Code: "too_many_jobs", RetryAfter: 30 * time.Second,
			Message: fmt.Sprintf("You have %d unfinished jobs, which is the limit. Wait for one to finish, or cancel one.", n)}
	}
	return nil
}

// video returns the uploaded video of u.
func (s *Service) video(ctx context.Context, id string, u identity.User) (caption.Video, error) {
	notFound := caption.Errorf(caption.KindNotFound, "There is no upload with this id.").WithCode("upload_not_found")
	if !caption.ValidID(id) {
		return caption.Video{}, notFound
	}
	v, err := s.Videos.Video(ctx, id)
	switch {
	case err != nil && caption.KindOf(err) == caption.KindNotFound, err == nil && v.Owner != u.ID:
		return v, notFound
	case err != nil:
		return v, err
	case v.State != caption.VideoComplete:
		return v, caption.Errorf(caption.KindConflict, "The upload is not complete yet. Complete it first, then ask for captions.").WithCode("upload_incomplete")
	}
	return v, nil
}

// What engines take of key terms, see their packages.
const maxKeyterms, maxKeyterm = 100, 100

// checkOptions refuses what no enabled engine can do, and fills in nothing: empty stays "the default".
func (s *Service) checkOptions(o *caption.Options) error {
	if _, err := subtitle.ProfileNamed(o.Profile); err != nil {
		return err
	}
	if o.AudioTrack < 0 || o.AudioTrack > 63 {
		return caption.Errorf(caption.KindInvalid, "audio_track counts from 0 to 63.").WithCode("bad_audio_track")
	}
	if o.Language != "" {
		tag, err := language.Parse(o.Language)
		if err != nil {
			return caption.Errorf(caption.KindInvalid, "%q is not a language tag. Use one such as en, en-GB or de.", o.Language).WithCode("bad_language")
		}
		o.Language = tag.String()
	}
	engine := s.Engines[0]
	if o.Engine != "" {
		i := slices.IndexFunc(s.Engines, func(c speech.Capabilities) bool { return c.Name == o.Engine })
		if i < 0 {
			return caption.Errorf(caption.KindInvalid, "The engine %q is not enabled here. Enabled: %s.", o.Engine, s.engineNames()).WithCode("engine_not_enabled")
		}
		engine = s.Engines[i]
	}
	if o.Diarize && !engine.Diarization {
		return caption.Errorf(caption.KindInvalid, "The engine %s cannot tell speakers apart. Leave diarize out, or choose another engine.", engine.Name).WithCode("diarize_unsupported")
	}
	if len(o.Keyterms) > 0 && !engine.Keyterms {
		return caption.Errorf(caption.KindInvalid, "The engine %s cannot be told words to expect. Leave keyterms out, or choose another engine.", engine.Name).WithCode("keyterms_unsupported")
	}
	if len(o.Keyterms) > maxKeyterms || slices.ContainsFunc(o.Keyterms, func(k string) bool { return k == "" || len(k) > maxKeyterm || !printable(k) }) {
		return caption.Errorf(caption.KindInvalid, "keyterms are at most %d words or names of at most %d bytes each.", maxKeyterms, maxKeyterm).WithCode("bad_keyterms")
	}
	if o.Language != "" && len(engine.Languages) > 0 && !slices.Contains(engine.Languages, speech.PrimaryLanguage(o.Language)) {
		return speech.LanguageUnsupported(engine, o.Language)
	}
	return nil
}

func (s *Service) engineNames() string {
	var names []string
	for _, e := range s.Engines {
		names = append(names, e.Name)
	}
	return strings.Join(names, ", ")
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f || r == 0xfffd })
}

type listedJob struct {
	JobView
	Hits []caption.Hit `json:"hits,omitempty"`
}

type listView struct {
	Captions   []listedJob `json:"captions"`
	NextCursor *string     `json:"next_cursor"` // null on the last page
}

func (s *Service) list(w http.ResponseWriter, r *http.Request, u identity.User) error {
	q := r.URL.Query()
	query := caption.JobQuery{Owner: u.ID, Text: q.Get("q"), VideoID: q.Get("upload_id"), Cursor: q.Get("cursor"), Limit: 20}
	if l := q.Get("limit"); l != "" {
		n, err := strconv.Atoi(l)
		if err != nil || n < 1 || n > 100 {
			return caption.Errorf(caption.KindInvalid, "limit is a number from 1 to 100.").WithCode("bad_limit")
		}
		query.Limit = n
	}
	if len(query.Text) > 200 {
		return caption.Errorf(caption.KindInvalid, "The search text may have at most 200 bytes.").WithCode("bad_search")
	}
	for _, st := range q["state"] {
		for one := range strings.SplitSeq(st, ",") {
			if !slices.Contains(caption.States, caption.State(one)) {
				return caption.Errorf(caption.KindInvalid, "%.40q is not a state of a job.", one).WithCode("bad_state")
			}
			query.States = append(query.States, caption.State(one))
		}
	}
	page, err := s.Lists.ListJobs(r.Context(), query)
	if err != nil {
		return err
	}
	out := listView{Captions: make([]listedJob, len(page.Jobs))}
	for i, h := range page.Jobs {
		out.Captions[i] = listedJob{s.view(h.Job), h.Hits}
	}
	if page.Next != "" {
		out.NextCursor = &page.Next
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func (s *Service) get(w http.ResponseWriter, r *http.Request, u identity.User) error {
	j, err := s.owned(r.Context(), r.PathValue("id"), u)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, s.view(j))
}

func (s *Service) cancel(w http.ResponseWriter, r *http.Request, u identity.User) error {
	j, err := s.owned(r.Context(), r.PathValue("id"), u)
	if err != nil {
		return err
	}
	if j, err = s.end(r.Context(), j.ID); err != nil {
		return err
	}
	if j.State != caption.Cancelled {
		return caption.Errorf(caption.KindConflict, "The job has ended already (%s), so it cannot be cancelled.", j.State).WithCode("job_ended")
	}
	return httpapi.WriteJSON(w, http.StatusAccepted, s.view(j))
}

// end cancels the job if it has not ended, and tells the workers and subscribers.
func (s *Service) end(ctx context.Context, id string) (caption.Job, error) {
	var changed bool
	j, err := s.Jobs.UpdateJob(ctx, id, func(j *caption.Job) error {
		if changed = !j.State.Ended(); !changed {
			return caption.ErrUnchanged
		}
		j.State, j.Finished = caption.Cancelled, s.Now()
		return nil
	})
	if err == nil && changed {
		s.publish(ctx, j)
	}
	return j, err
}

func (s *Service) retry(w http.ResponseWriter, r *http.Request, u identity.User) error {
	j, err := s.owned(r.Context(), r.PathValue("id"), u)
	if err != nil {
		return err
	}
	if _, err := s.video(r.Context(), j.VideoID, u); err != nil {
		if caption.KindOf(err) == caption.KindNotFound {
			return caption.Errorf(caption.KindConflict, "The video of this job was deleted. Upload it again and make a new job.").WithCode("video_deleted")
		}
		return err
	}
	if err := s.checkActive(r.Context(), u); err != nil {
		return err
	}
	refused := caption.Errorf(caption.KindConflict, "Only a failed or cancelled job can be retried; this one is %s.", j.State).WithCode("job_not_retryable")
	j, err = s.Jobs.UpdateJob(r.Context(), j.ID, func(j *caption.Job) error {
		if j.State != caption.Failed && j.State != caption.Cancelled {
			return refused
		}
		j.State, j.Reason, j.Enqueued, j.Finished = caption.Queued, nil, false, time.Time{}
		j.Run++
		return nil
	})
	if err != nil {
		return err
	}
	s.publish(r.Context(), j)
	if n, err := s.enqueue(r.Context(), j); err == nil {
		j = n
	} else {
		s.Logger.WarnContext(r.Context(), "task not published yet", "job_id", j.ID, "error", err)
	}
	return httpapi.WriteJSON(w, http.StatusAccepted, s.view(j))
}

func (s *Service) delete(w http.ResponseWriter, r *http.Request, u identity.User) error {
	j, err := s.owned(r.Context(), r.PathValue("id"), u)
	if err != nil {
		return err
	}
	// Cancelling first stops the workers, which then find no job and leave nothing behind.
	if _, err := s.end(r.Context(), j.ID); err != nil && caption.KindOf(err) != caption.KindNotFound {
		return err
	}
	if err := s.Objects.DeletePrefix(r.Context(), caption.JobPrefix(j.ID)); err != nil {
		return fmt.Errorf("delete the files of job %s: %w", j.ID, err)
	}
	if err := s.Jobs.DeleteJob(r.Context(), j.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// publish tells subscribers of a change. Events are hints, so a failure is logged and nothing more.
func (s *Service) publish(ctx context.Context, j caption.Job) {
	if err := s.Events.PublishEvent(ctx, caption.Event{Job: j}); err != nil {
		s.Logger.WarnContext(ctx, "event not published", "job_id", j.ID, "error", err)
	}
}
