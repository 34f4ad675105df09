package captioning

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
	"k8s-scalers/internal/subtitle"
)

// maxTranscript bounds the body of an edit: a ten-hour video has about 2 MiB of cues.
const maxTranscript = 16 << 20

type engineView struct {
	Name              string   `json:"name"`
	Languages         []string `json:"languages"` // empty: the engine has no list
	LanguageDetection bool     `json:"language_detection"`
	Diarization       bool     `json:"diarization"`
	Keyterms          bool     `json:"keyterms"`
}

// optionsView is what a job can be asked to do here.
type optionsView struct {
	Engines  []engineView `json:"engines"`  // the first is the default
	Profiles []string     `json:"profiles"` // the first is the default
	Formats  []string     `json:"formats"`
}

func (s *Service) options(w http.ResponseWriter, _ *http.Request, _ identity.User) error {
	v := optionsView{Formats: subtitle.Formats()}
	for _, e := range s.Engines {
		v.Engines = append(v.Engines, engineView{e.Name, append([]string{}, e.Languages...), e.LanguageDetection, e.Diarization, e.Keyterms})
	}
	for _, p := range subtitle.Profiles() {
		v.Profiles = append(v.Profiles, p.Name)
	}
	return httpapi.WriteJSON(w, http.StatusOK, v)
}

// finished returns the transcript of u's job, or says why there is none.
func (s *Service) finished(r *http.Request, u identity.User) (caption.Job, caption.Transcript, error) {
	j, err := s.owned(r.Context(), r.PathValue("id"), u)
	if err != nil {
		return j, caption.Transcript{}, err
	}
	if j.State != caption.Processed {
		msg := fmt.Sprintf("The job is %s; there are no captions yet.", j.State)
		if j.State.Ended() {
			msg = fmt.Sprintf("The job is %s, so it has no captions.", j.State)
			if j.Reason != nil {
				msg += " " + j.Reason.Message
			}
		}
		return j, caption.Transcript{}, caption.Errorf(caption.KindConflict, "%s", msg).WithCode("not_processed")
	}
	t, err := s.Transcripts.Transcript(r.Context(), j.ID)
	return j, t, err
}

func etag(version int) string { return `"` + strconv.Itoa(version) + `"` }

func (s *Service) transcript(w http.ResponseWriter, r *http.Request, u identity.User) error {
	_, t, err := s.finished(r, u)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Set("ETag", etag(t.Version))
	if matches(r.Header.Get("If-None-Match"), etag(t.Version)) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return httpapi.WriteJSON(w, http.StatusOK, t)
}

func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
}

func (s *Service) saveTranscript(w http.ResponseWriter, r *http.Request, u identity.User) error {
	ifMatch := strings.TrimSpace(r.Header.Get("If-Match"))
	if ifMatch == "" {
		return caption.Errorf(caption.KindPrecondition, "Send the ETag that you edited as the header If-Match, so that no other edit is overwritten.").WithCode("if_match_missing")
	}
	var req struct {
		Cues []caption.Cue `json:"cues"`
	}
	if err := httpapi.ReadJSON(r, &req, maxTranscript); err != nil {
		return err
	}
	if req.Cues == nil { // A forgotten field must not delete everything.
		return caption.Errorf(caption.KindInvalid, "Send all captions as the list cues. An empty list deletes them.").WithCode("bad_cues")
	}
	if err := subtitle.Check(req.Cues); err != nil {
		return err
	}
	_, t, err := s.finished(r, u)
	if err != nil {
		return err
	}
	conflict := caption.Errorf(caption.KindPrecondition, "The transcript was changed elsewhere in the meantime. Load it again, then repeat your edit.").WithCode("transcript_changed")
	if ifMatch != etag(t.Version) {
		return conflict
	}
	if t.Original == nil {
		t.Original = t.Cues
	}
	t.Cues = req.Cues
	if slices.Equal(t.Cues, t.Original) { // reverted to the engine's version
		t.Original = nil
	}
	t, err = s.Transcripts.SaveTranscript(r.Context(), t)
	if err != nil {
		if caption.KindOf(err) == caption.KindPrecondition {
			return conflict
		}
		return err
	}
	w.Header().Set("ETag", etag(t.Version))
	return httpapi.WriteJSON(w, http.StatusOK, t)
}

func (s *Service) result(w http.ResponseWriter, r *http.Request, u identity.User) error {
	q := r.URL.Query()
	format := q.Get("format")
	if format == "" {
		format = "json"
	}
	if !slices.Contains(subtitle.Formats(), format) {
		return caption.Errorf(caption.KindInvalid, "The format %.20q is not known. Use one of: %s.", format, strings.Join(subtitle.Formats(), ", ")).WithCode("bad_format")
	}
	j, t, err := s.finished(r, u)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := subtitle.Write(&b, format, t, subtitle.Options{Speakers: q.Get("speakers") == "true"}); err != nil {
		return fmt.Errorf("render %s: %w", format, err)
	}
	h := w.Header()
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+strconv.Itoa(t.Version)+"-"+format+`"`)
	h.Set("Content-Type", subtitle.ContentType(format))
	h.Set("Content-Disposition", disposition(j.Title, format))
	_, _ = w.Write(b.Bytes()) // The client is gone when this fails; there is nobody to tell.
	return nil
}

// disposition names the download after the video, with an ASCII name for old clients and the full one of RFC 6266.
func disposition(title, format string) string {
	if i := strings.LastIndexByte(title, '.'); i > 0 {
		title = title[:i]
	}
	ascii := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || strings.ContainsRune(`"\/:;%`, r) {
			return '_'
		}
		return r
	}, title)
	var ext strings.Builder
	for _, c := range []byte(title) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			ext.WriteByte(c)
		} else {
			fmt.Fprintf(&ext, "%%%02X", c)
		}
	}
	return fmt.Sprintf(`attachment; filename="%s.%s"; filename*=UTF-8''%s.%s`, ascii, format, ext.String(), format)
}
