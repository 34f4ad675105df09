package caption

import (
	"context"
	"time"
)

// State is where a job stands.
type State string

// The states of a job: queued → preparing → transcribing → assembling → processed, or one of the other ends.
const (
	Queued       State = "queued"
	Preparing    State = "preparing"
	Transcribing State = "transcribing"
	Assembling   State = "assembling"
	Processed    State = "processed"
	Failed       State = "failed"    // Reason says why; may be retried
	Skipped      State = "skipped"   // nothing to caption: Reason says why
	Cancelled    State = "cancelled" // by its owner; may be retried
)

// States lists every state, in the order of a job's life.
var States = []State{Queued, Preparing, Transcribing, Assembling, Processed, Failed, Skipped, Cancelled}

// Ended tells whether no work is left to do in s.
func (s State) Ended() bool {
	return s == Processed || s == Failed || s == Skipped || s == Cancelled
}

// Reason says why a job failed or was skipped.
type Reason struct {
	Code    string `json:"code"`    // snake_case, for programs
	Message string `json:"message"` // for the user: what happened and what to do
}

// Options are what the user chose for a job. Zero values mean the default.
type Options struct {
	Language   string `json:"language,omitempty"`    // BCP 47; empty: the engine's default or detection
	Engine     string `json:"engine,omitempty"`      // empty: the operator's first
	Profile    string `json:"profile,omitempty"`     // of package subtitle; empty: netflix
	AudioTrack int    `json:"audio_track,omitempty"` // index among the audio tracks, 0 is the first
	Diarize    bool   `json:"diarize,omitempty"`
	// Keyterms are names and words to expect, which the engine would else take for others.
	Keyterms []string `json:"keyterms,omitempty"`
}

// Job is one request to caption a video.
type Job struct {
	ID      string
	Owner   string // user id
	VideoID string
	Title   string // the video's name, for display and search
	Options Options

	State  State
	Reason *Reason // set in Failed and Skipped
	// Seq grows by one with each stored change, starting at 1. Subscribers order and deduplicate events by it.
	Seq int64
	// Enqueued is false until the queue has confirmed the job's first task; caption-service publishes that task again
	// for jobs that stay so, so that an accepted job is never lost.
	Enqueued bool
	// Run counts the times the job was started: 1, and one more for each retry. Tasks carry it, so that a task of an
	// earlier run does nothing.
	Run int

	Duration Millis // length of the audio; 0 until prepared
	Segments int    // number of segments; 0 until prepared
	Done     int    // segments with a stored result
	Engine   string // engine that is used; empty until prepared
	Language string // detected or chosen; empty while unknown

	Created     time.Time
	Updated     time.Time
	TranscribeT time.Time // start of transcribing in this run, for the ETA; zero before
	DoneAtStart int       // Done at that moment
	Finished    time.Time // when it ended; zero before
}

// Progress returns how much of the job is done, from 0 to 1. Preparation counts 2 % and assembling 1 %.
func (j Job) Progress() float64 {
	switch j.State {
	case Processed, Skipped:
		return 1
	case Assembling:
		return 0.99
	}
	if j.Segments == 0 {
		return 0
	}
	return 0.02 + 0.97*float64(j.Done)/float64(j.Segments)
}

// ETA returns how long the job will still take, at the pace of this run so far; ok is false while that is unknown.
func (j Job) ETA(now time.Time) (left time.Duration, ok bool) {
	done := j.Done - j.DoneAtStart
	if j.State != Transcribing || done <= 0 || j.TranscribeT.IsZero() {
		return 0, false
	}
	pace := now.Sub(j.TranscribeT) / time.Duration(done)
	return pace * time.Duration(j.Segments-j.Done), true
}

// SegmentResult is what came out of one segment. Times count from the start of the video.
type SegmentResult struct {
	Index    int    `json:"index"`
	Start    Millis `json:"start"`
	End      Millis `json:"end"`
	Words    []Word `json:"words"`
	Language string `json:"language,omitempty"` // detected
	Engine   string `json:"engine"`
}

// Jobs stores jobs. Implementations are safe for concurrent use; every method is atomic and durable when it returns.
// Times are kept in whole milliseconds, and come back in UTC. Errors: [KindNotFound] for an unknown id; of every port
// that stores something: [KindUnavailable] with the code storage_full where there is no room left.
type Jobs interface {
	// CreateJob stores a new job with Seq 1 and Done 0; Created and Updated are set to now where they are zero. Where
	// idempotencyKey is not empty and the owner already has a job under it, nothing is stored, that job is returned, and
	// created is false. Deleting the job frees its key.
	CreateJob(ctx context.Context, j Job, idempotencyKey string) (stored Job, created bool, err error)
	Job(ctx context.Context, id string) (Job, error)
	// UpdateJob reads the job, applies change, and stores it with Seq+1 and Updated now, if nobody else stored a change
	// in between; else it starts again, so change may run several times. An error of change is returned as it is
	// and stores nothing; [ErrUnchanged] ends the call without an error and without a new Seq.
	// ID, Owner, Seq, Done and Created cannot be changed: what change sets them to is ignored.
	UpdateJob(ctx context.Context, id string, change func(*Job) error) (Job, error)
	// DeleteJob removes the job with all its segments and its transcript; an unknown id is no error.
	DeleteJob(ctx context.Context, id string) error
}

// JobLists finds jobs.
type JobLists interface {
	// ListJobs returns jobs that match q, newest first. Following Next yields each job once that was there from the
	// start, whatever is created meanwhile. [KindInvalid] for a Limit out of range, a Cursor that is not from Next (code
	// bad_cursor), and for too many words.
	ListJobs(ctx context.Context, q JobQuery) (JobPage, error)
	// NotEnqueued returns jobs that are Queued, not Enqueued, and were last changed before t, that longest ago first.
	NotEnqueued(ctx context.Context, t time.Time, limit int) ([]Job, error)
	// CountJobs returns how many jobs of owner are in one of the states; all of them where states is empty.
	CountJobs(ctx context.Context, owner string, states ...State) (int, error)
}

// Segments stores the results of segments.
type Segments interface {
	// SaveSegment stores the result of a segment, adds one to the job's Done and one to its Seq, in one step.
	// A second result of the same segment changes nothing: first is false. Where the job does not exist: [KindNotFound].
	SaveSegment(ctx context.Context, jobID string, r SegmentResult) (j Job, first bool, err error)
	// Segments returns the stored results with an index of at least from, in order.
	Segments(ctx context.Context, jobID string, from int) ([]SegmentResult, error)
	// MissingSegments returns the indexes below n without a result, in order.
	MissingSegments(ctx context.Context, jobID string, n int) ([]int, error)
}

// Transcripts stores transcripts.
type Transcripts interface {
	// Transcript returns the transcript of a job, [KindNotFound] where there is none.
	Transcript(ctx context.Context, jobID string) (Transcript, error)
	// SaveTranscript stores t with the version t.Version+1 if the stored version is t.Version (0: none is stored), and
	// makes its cues searchable. Else [KindPrecondition]; [KindNotFound] where the job does not exist. It returns what it
	// stored.
	SaveTranscript(ctx context.Context, t Transcript) (Transcript, error)
}

// JobQuery selects jobs of one owner; other zero fields do not restrict.
type JobQuery struct {
	Owner   string
	States  []State
	VideoID string
	// Text selects jobs in whose title and cues, taken together, all its words occur, the last one as a prefix, ignoring
	// case and diacritics. Words are runs of letters and digits; all else only separates them, and a text without
	// words does not restrict.
	Text   string
	Cursor string // from JobPage.Next; empty: the first page
	Limit  int    // 1 to 100
}

// JobPage is one page of a list.
type JobPage struct {
	Jobs []JobHit
	Next string // cursor of the next page; empty on the last
}

// JobHit is a job of a list, with at most three cues, in order of time, that match the text that was searched for: those
// with most of its words, and among equals the first.
type JobHit struct {
	Job  Job
	Hits []Hit
}

// Hit is a cue that matches a search.
type Hit struct {
	Start Millis `json:"start"`
	Text  string `json:"text"`
}

// ErrUnchanged says that nothing is to be stored. The function given to UpdateJob returns it.
var ErrUnchanged = Errorf(KindConflict, "nothing to change")

// JobPrefix is the prefix of the keys of everything in the bucket that belongs to a job.
func JobPrefix(jobID string) string { return "jobs/" + jobID + "/" }
