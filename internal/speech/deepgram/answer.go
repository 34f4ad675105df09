package deepgram

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s-scalers/internal/speech/remote"
)

// transcript is what is used of an answer.
type transcript struct {
	words     []remote.Word
	language  string // detected; empty where the service does not tell
	requestID string
	warnings  string // as the service wrote them
}

// response is the part of an answer that is read.
type response struct {
	Metadata struct {
		RequestID string          `json:"request_id"`
		Warnings  json.RawMessage `json:"warnings"`
	} `json:"metadata"`
	Results *struct {
		Channels []struct {
			DetectedLanguage string `json:"detected_language"`
			Alternatives     []struct {
				Languages []string `json:"languages"` // of the language "multi"
				Words     []word   `json:"words"`
			} `json:"alternatives"`
		} `json:"channels"`
		Utterances []struct {
			Speaker *int   `json:"speaker"`
			Words   []word `json:"words"`
		} `json:"utterances"`
	} `json:"results"`
}

type word struct {
	Word       string   `json:"word"`
	Punctuated string   `json:"punctuated_word"`
	Start      *float64 `json:"start"`
	End        *float64 `json:"end"`
	Confidence *float64 `json:"confidence"`
	Speaker    *int     `json:"speaker"`
}

// parse reads an answer. Only the first channel is read: the sound has one.
func parse(b []byte) (transcript, error) {
	var r response
	if err := json.Unmarshal(b, &r); err != nil {
		return transcript{}, fmt.Errorf("read transcript: %w", err)
	}
	if r.Results == nil || len(r.Results.Channels) == 0 {
		return transcript{}, errors.New("read transcript: it has no channel")
	}
	t := transcript{requestID: r.Metadata.RequestID}
	if w := string(r.Metadata.Warnings); w != "null" && w != "[]" {
		t.warnings = w[:min(len(w), 500)]
	}
	channel := r.Results.Channels[0]
	t.language = channel.DetectedLanguage
	if len(channel.Alternatives) > 0 { // the first is the best
		alternative := channel.Alternatives[0]
		if t.language == "" && len(alternative.Languages) > 0 {
			t.language = alternative.Languages[0]
		}
		if err := t.add(alternative.Words, nil); err != nil {
			return transcript{}, err
		}
	}
	if t.language != "" {
		t.language = remote.Tag(t.language)
	}
	if len(t.words) == 0 { // a server may give words in utterances alone
		for _, u := range r.Results.Utterances {
			if err := t.add(u.Words, u.Speaker); err != nil {
				return transcript{}, err
			}
		}
	}
	return t, nil
}

// add appends words; speaker is whose they are where they do not say so themselves.
func (t *transcript) add(words []word, speaker *int) error {
	for _, w := range words {
		if w.Start == nil || w.End == nil {
			return errors.New("read transcript: a word has no time")
		}
		text := w.Punctuated
		if text == "" {
			text = w.Word
		}
		who := w.Speaker
		if who == nil {
			who = speaker
		}
		t.words = append(t.words, remote.Word{Text: text, Start: *w.Start, End: *w.End, Confidence: w.Confidence, Speaker: label(who)})
	}
	return nil
}

// label names a speaker; the service counts from 0.
func label(speaker *int) string {
	if speaker == nil || *speaker < 0 {
		return ""
	}
	return fmt.Sprintf("Speaker %d", *speaker+1)
}

// refusal is why a request was refused.
type refusal struct {
	code, message, requestID string
}

// parseRefusal reads the three forms in which the service tells why: plain text, err_code and err_msg, and category,
// message and details.
func parseRefusal(b []byte) refusal {
	var r struct {
		Code      string          `json:"err_code"`
		Text      string          `json:"err_msg"`
		Category  string          `json:"category"`
		Message   string          `json:"message"`
		Details   json.RawMessage `json:"details"`
		RequestID string          `json:"request_id"`
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return refusal{message: string(b)}
	}
	f := refusal{code: r.Code, message: r.Text, requestID: r.RequestID}
	if f.code == "" && f.message == "" {
		f.code, f.message = r.Category, r.Message
		var details string
		if json.Unmarshal(r.Details, &details) != nil {
			details = string(r.Details) // some are objects
		}
		if details != "" && details != "null" {
			f.message = strings.TrimSpace(f.message + " " + details)
		}
	}
	if f.code == "" && f.message == "" {
		f.message = string(b)
	}
	return f
}

func (f refusal) String() string {
	s := strings.TrimSpace(f.code + " " + f.message)
	if f.requestID != "" {
		s += " (request " + f.requestID + ")"
	}
	return s
}

// aboutAudio tells whether a bad request is one because of the sound.
func (f refusal) aboutAudio() bool {
	m := strings.ToLower(f.message)
	return strings.Contains(m, "corrupt") || strings.Contains(m, "unsupported data")
}

// aboutLanguage tells whether a bad request is one because of the language.
func (f refusal) aboutLanguage() bool {
	return strings.Contains(strings.ToLower(f.message), "language")
}
