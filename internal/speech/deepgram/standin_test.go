package deepgram_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/deepgram"
	"k8s-scalers/internal/speech/pocketsphinx"
)

const key = "dg-0123456789abcdef"

// standin is a stand-in for Deepgram, made from its published contract. It hears with PocketSphinx, so that what it answers
// are words of the sound that it was sent.
type standin struct {
	ears *pocketsphinx.Engine

	mu   sync.Mutex
	last url.Values // of the last request that was heard
}

// knownParameters are those of the contract that the engine may use.
var knownParameters = []string{"model", "smart_format", "punctuate", "paragraphs", "utterances", "utt_split", "language",
	"detect_language", "diarize_model", "keyterm", "mip_opt_out"}

func newStandin(t *testing.T) (*standin, string) {
	t.Helper()
	ears, err := pocketsphinx.New(pocketsphinx.Deps{Processes: 2, TempDir: t.TempDir()})
	require.NoError(t, err)
	s := &standin{ears: ears}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		require.NoError(t, ears.Close())
		server.Close()
	})
	return s, server.URL + "/v1"
}

func (s *standin) query() url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Dg-Request-Id", "standin-1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"err_code": code, "err_msg": message, "request_id": "standin-1"})
}

func (s *standin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/v1/listen":
		http.NotFound(w, r)
		return
	case r.Header.Get("Authorization") != "Token "+key:
		refuse(w, http.StatusUnauthorized, "INVALID_AUTH", "Invalid credentials.")
		return
	case r.Header.Get("Content-Type") != "audio/wav":
		refuse(w, http.StatusBadRequest, "Bad Request", "Bad Request: failed to process audio: corrupt or unsupported data")
		return
	}
	for name := range q {
		if !slices.Contains(knownParameters, name) {
			refuse(w, http.StatusBadRequest, "Bad Request", "Unknown parameter "+name)
			return
		}
	}
	language := q.Get("language")
	if language != "" && language != "multi" && speech.PrimaryLanguage(language) != "en" {
		_, _ = io.Copy(io.Discard, r.Body)
		refuse(w, http.StatusBadRequest, "Bad Request", "Bad Request: No such model/language/tier combination found.")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || int64(len(body)) != r.ContentLength {
		refuse(w, http.StatusUnprocessableEntity, "ASR_UNPROCESSABLE_ENTITY", "The upload was interrupted.")
		return
	}
	audio, err := speech.AudioBytes(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "Bad Request", "Bad Request: failed to process audio: corrupt or unsupported data")
		return
	}
	result, err := s.ears.Recognize(r.Context(), audio, speech.Request{})
	if err != nil {
		refuse(w, http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", err.Error())
		return
	}
	s.mu.Lock()
	s.last = q
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer(result, q))
}

// answer renders what was heard in the form of the contract.
func answer(result speech.Result, q url.Values) map[string]any {
	words := []map[string]any{}
	var transcript []string
	for i, heard := range result.Words {
		w := map[string]any{"word": heard.Text, "punctuated_word": punctuate(i, heard), "start": heard.Start.Seconds(),
			"end": heard.End.Seconds(), "confidence": *heard.Confidence}
		if q.Has("diarize_model") { // the voice changes in the middle
			w["speaker"] = 2 * i / len(result.Words)
		}
		words = append(words, w)
		transcript = append(transcript, punctuate(i, heard))
	}
	channel := map[string]any{"alternatives": []any{map[string]any{
		"transcript": strings.Join(transcript, " "), "confidence": 0.9, "words": words, "paragraphs": map[string]any{},
	}}}
	if q.Get("detect_language") == "true" {
		channel["detected_language"], channel["language_confidence"] = "en", 0.99
	}
	return map[string]any{
		"metadata": map[string]any{"request_id": "standin-1", "channels": 1, "duration": 1.5, "warnings": []any{}},
		"results":  map[string]any{"channels": []any{channel}, "utterances": []any{}},
	}
}

func punctuate(i int, w caption.Word) string {
	if i == 0 {
		return strings.ToUpper(w.Text[:1]) + w.Text[1:] + ","
	}
	return w.Text
}

// whole is an engine with its stand-in, whose processes the suite sees. They end together.
type whole struct {
	*deepgram.Engine
	standin *standin
}

func (w whole) Close() error { return errors.Join(w.Engine.Close(), w.standin.ears.Close()) }

// always answers every request with the same, once its sound has arrived.
func always(t *testing.T, status int, header http.Header, body []byte) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = io.Copy(w, bytes.NewReader(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}
