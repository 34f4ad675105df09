package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// number is a number that servers write as one, in quotes, or as null. Anything else counts as not told.
type number struct {
	value float64
	told  bool
}

// UnmarshalJSON implements [json.Unmarshaler].
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(string(bytes.Trim(b, `" `)), 64)
	*n = number{v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)}
	if !n.told {
		n.value = 0
	}
	return nil
}

// response is the part of an answer that is read.
type response struct {
	Text     *string   `json:"text"`
	Language string    `json:"language"`
	Segments []segment `json:"segments"`
	Words    []word    `json:"words"`
	// Error is what some servers answer with the status of a success.
	Error json.RawMessage `json:"error"`
}

type segment struct {
	Text       string `json:"text"`
	Start      number `json:"start"`
	End        number `json:"end"`
	NoSpeech   number `json:"no_speech_prob"`
	AvgLogprob number `json:"avg_logprob"`
	Words      []word `json:"words"` // where a server gives them here
}

// word is a word, or with whisper.cpp's server a piece of one.
type word struct {
	Word        string `json:"word"`
	Start       number `json:"start"`
	End         number `json:"end"`
	Probability number `json:"probability"`
}

// parse reads an answer.
func parse(b []byte) (response, error) {
	var r response
	if err := json.Unmarshal(b, &r); err != nil {
		return response{}, fmt.Errorf("read transcript: %w", err)
	}
	if r.Text == nil && r.Segments == nil && r.Words == nil {
		if len(r.Error) > 0 {
			return response{}, fmt.Errorf("the server failed: %s", parseRefusal(b))
		}
		return response{}, errors.New("read transcript: it has no text")
	}
	return r, nil
}

// refusal is why a request was refused.
type refusal struct {
	message string
	// kinds are what the server gives for programs: type, code, and the parameter that is wrong.
	kinds []string
}

// parseRefusal reads the forms in which servers tell why: OpenAI's {"error":{"message","type","param","code"}}, the
// same without the outer object, {"error":"…"}, {"detail":…} of servers made with FastAPI, and plain text.
func parseRefusal(b []byte) refusal {
	type object struct {
		Message string          `json:"message"`
		Type    json.RawMessage `json:"type"`
		Param   json.RawMessage `json:"param"`
		Code    json.RawMessage `json:"code"`
	}
	var outer struct {
		object
		Error  json.RawMessage `json:"error"`
		Detail json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(b, &outer); err != nil {
		return refusal{message: string(b)}
	}
	o := outer.object
	if len(outer.Error) > 0 {
		var inner object
		if json.Unmarshal(outer.Error, &inner) == nil && inner.Message != "" {
			o = inner
		} else if o.Message == "" {
			o.Message = text(outer.Error)
		}
	}
	f := refusal{message: o.Message}
	for _, raw := range []json.RawMessage{o.Type, o.Code, o.Param} {
		if s := text(raw); s != "" {
			f.kinds = append(f.kinds, s)
		}
	}
	if f.message == "" {
		f.message = text(outer.Detail)
	}
	if f.message == "" {
		f.message = string(b)
	}
	return f
}

// text returns a JSON string as it is, and other values as they are written; null is "".
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s // "" for null
	}
	return string(raw)
}

func (f refusal) String() string {
	if len(f.kinds) == 0 {
		return f.message
	}
	return f.message + " (" + strings.Join(f.kinds, ", ") + ")"
}

// has tells whether one of the kinds is this one.
func (f refusal) has(kind string) bool {
	return slices.Contains(f.kinds, kind)
}

// about tells whether the refusal is about a parameter, which servers that do not name it mention.
func (f refusal) about(param string) bool {
	return f.has(param) || strings.Contains(strings.ToLower(f.message), param)
}
