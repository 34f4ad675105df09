package captioning

import (
	"math"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/subtitle"
)

// JobView is a job as clients see it.
type JobView struct {
	ID           string          `json:"id"`
	UploadID     string          `json:"upload_id"`
	Title        string          `json:"title"`
	State        caption.State   `json:"state"`
	Reason       *caption.Reason `json:"reason"`
	Seq          int64           `json:"seq"`
	Progress     float64         `json:"progress"`    // 0 to 1
	ETA          *int            `json:"eta_seconds"` // null while unknown
	Duration     *caption.Millis `json:"duration"`    // seconds; null until prepared
	Segments     *int            `json:"segments"`    // null until prepared
	SegmentsDone int             `json:"segments_done"`
	Language     string          `json:"language"` // empty while unknown
	Engine       string          `json:"engine"`   // empty until prepared
	Options      caption.Options `json:"options"`
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
	FinishedAt   *time.Time      `json:"finished_at"`
}

func (s *Service) view(j caption.Job) JobView {
	v := JobView{ID: j.ID, UploadID: j.VideoID, Title: j.Title, State: j.State, Reason: j.Reason, Seq: j.Seq,
		Progress: math.Round(j.Progress()*1000) / 1000, SegmentsDone: j.Done, Language: j.Language, Engine: j.Engine,
		Options: j.Options, CreatedAt: j.Created.UTC(), UpdatedAt: j.Updated.UTC()}
	if left, ok := j.ETA(s.Now()); ok {
		sec := int(math.Ceil(left.Seconds()))
		v.ETA = &sec
	}
	if j.Segments > 0 {
		v.Segments, v.Duration = &j.Segments, &j.Duration
	}
	if !j.Finished.IsZero() {
		t := j.Finished.UTC()
		v.FinishedAt = &t
	}
	return v
}

// SegmentView is a finished segment as live captions.
type SegmentView struct {
	Index int            `json:"index"`
	Start caption.Millis `json:"start"`
	End   caption.Millis `json:"end"`
	Cues  []caption.Cue  `json:"cues"`
}

func segmentView(j caption.Job, r caption.SegmentResult) (SegmentView, error) {
	p, err := subtitle.ProfileNamed(j.Options.Profile)
	if err != nil {
		return SegmentView{}, err
	}
	cues := subtitle.Cut(r.Words, p)
	if cues == nil {
		cues = []caption.Cue{}
	}
	return SegmentView{Index: r.Index, Start: r.Start, End: r.End, Cues: cues}, nil
}
