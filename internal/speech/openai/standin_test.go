package openai_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/openai"
	"k8s-scalers/internal/speech/pocketsphinx"
	"k8s-scalers/internal/speech/speechtest"
)

const key = "sk-0123456789abcdef"

// standin is a stand-in for OpenAI's service, made from its published contract. It hears with PocketSphinx, so that what it
// answers are words of the sound that it was sent.
type standin struct {
	ears *pocketsphinx.Engine

	mu   sync.Mutex
	last url.Values // the form of the last request that was heard
}

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

func (s *standin) form() url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func refuse(w http.ResponseWriter, status int, param, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"message": message, "type": "invalid_request_error", "param": param, "code": code,
	}})
}

func (s *standin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/audio/transcriptions" {
		refuse(w, http.StatusNotFound, "", "unknown_url", "Unknown request URL")
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+key {
		refuse(w, http.StatusUnauthorized, "", "invalid_api_key", "Incorrect API key provided: "+r.Header.Get("Authorization"))
		return
	}
	if r.ContentLength > 26_214_400 || r.ContentLength <= 0 {
		refuse(w, http.StatusRequestEntityTooLarge, "", "", "Maximum content size limit (26214400) exceeded")
		return
	}
	if err := r.ParseMultipartForm(32 << 20); err != nil {
		refuse(w, http.StatusBadRequest, "", "", "Could not parse multipart form")
		return
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	form := url.Values(r.MultipartForm.Value)
	if l := form.Get("language"); l != "" && l != "en" {
		refuse(w, http.StatusBadRequest, "language", "invalid_language_format", "Invalid language '"+l+"'. Language parameter must be specified in ISO-639-1 format.")
		return
	}
	file, header, err := r.FormFile("file")
	if err != nil || !strings.HasSuffix(header.Filename, ".wav") || form.Get("response_format") != "verbose_json" {
		refuse(w, http.StatusBadRequest, "file", "", "Invalid file format.")
		return
	}
	wav, err := io.ReadAll(file)
	if err != nil {
		refuse(w, http.StatusBadRequest, "file", "", "Invalid file format.")
		return
	}
	audio, err := speech.AudioBytes(wav)
	if err != nil || audio.Duration < 100 {
		refuse(w, http.StatusBadRequest, "file", "audio_too_short", "Audio file is too short. Minimum audio length is 0.1 seconds.")
		return
	}
	result, err := s.ears.Recognize(r.Context(), audio, speech.Request{})
	if err != nil {
		refuse(w, http.StatusInternalServerError, "", "", err.Error())
		return
	}
	s.mu.Lock()
	s.last = form
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer(result, audio.Duration, form))
}

// answer renders what was heard in the form of the contract: words without punctuation, and segments with it.
func answer(result speech.Result, length caption.Millis, form url.Values) map[string]any {
	words, segments := []any{}, []any{}
	var text strings.Builder
	for i, w := range result.Words {
		words = append(words, map[string]any{"word": w.Text, "start": w.Start.Seconds(), "end": w.End.Seconds()})
		if i == len(result.Words)-1 || i%8 == 7 {
			from := result.Words[i-i%8 : i+1]
			segment := " " + speechtest.Text(from) + "."
			text.WriteString(segment)
			segments = append(segments, map[string]any{"id": len(segments), "start": from[0].Start.Seconds(), "end": w.End.Seconds(),
				"text": segment, "avg_logprob": -0.2, "no_speech_prob": 0.01})
		}
	}
	a := map[string]any{"task": "transcribe", "language": "english", "duration": length.Seconds(), "text": text.String(), "segments": segments}
	for _, g := range form["timestamp_granularities[]"] {
		if g == "word" {
			a["words"] = words
		}
	}
	return a
}

// whole is an engine with its stand-in, whose processes the suite sees. They end together.
type whole struct {
	*openai.Engine
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
