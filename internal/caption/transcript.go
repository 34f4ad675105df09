package caption

// Word is a spoken word as it is shown, with its punctuation. Times count from the start of the video; End > Start.
type Word struct {
	Text  string `json:"text"`
	Start Millis `json:"start"`
	End   Millis `json:"end"`
	// Confidence is from 0 to 1; nil where the engine does not tell.
	Confidence *float64 `json:"confidence,omitempty"`
	// Speaker is a label such as "Speaker 1"; empty where unknown.
	Speaker string `json:"speaker,omitempty"`
}

// Cue is one caption on the screen. Text has a newline between its lines and no markup.
type Cue struct {
	Start   Millis `json:"start"`
	End     Millis `json:"end"`
	Text    string `json:"text"`
	Speaker string `json:"speaker,omitempty"`
}

// Transcript is the result of a job.
type Transcript struct {
	JobID string `json:"job_id"`
	// Version starts at 1 and grows by one with each stored edit; it is the ETag.
	Version  int    `json:"version"`
	Language string `json:"language,omitempty"`
	Engine   string `json:"engine"`
	Profile  string `json:"profile"`
	Duration Millis `json:"duration"`
	Words    []Word `json:"words"`
	Cues     []Cue  `json:"cues"`
	// Original holds the engine's cues once a user has edited Cues; nil before.
	Original []Cue `json:"original,omitzero"`
}
