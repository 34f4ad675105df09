package openai_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/openai"
	"k8s-scalers/internal/speech/remote"
	"k8s-scalers/internal/speech/speechtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newEngine(t *testing.T, d openai.Deps) *openai.Engine {
	t.Helper()
	if d.Key == "" {
		d.Key = key
	}
	e, err := openai.New(d)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func TestConformance(t *testing.T) {
	speechtest.Run(t, speechtest.Engine{
		New: func(t *testing.T) speech.Recognizer {
			s, address := newStandin(t)
			return whole{newEngine(t, openai.Deps{BaseURL: address, Concurrency: 2}), s}
		},
		MaxWER: 0.15, Unsupported: "tlh",
	})
}

func TestCapabilities(t *testing.T) {
	c := newEngine(t, openai.Deps{}).Capabilities()
	require.Equal(t, "openai", c.Name)
	require.True(t, c.WordTimes)
	require.True(t, c.LanguageDetection)
	require.Greater(t, c.MaxDuration.Duration(), 13*time.Minute)
	require.Less(t, pcm.WAVSize(pcm.Bytes(c.MaxDuration)), int64(25_000_000))

	c = newEngine(t, openai.Deps{Name: "whisper", Language: "de", Languages: []string{"de", "en"}, SegmentTimes: true, MaxUpload: 2_000_000}).Capabilities()
	require.Equal(t, "whisper", c.Name)
	require.False(t, c.WordTimes)
	require.False(t, c.LanguageDetection)
	require.Less(t, c.MaxDuration.Duration(), 63*time.Second)
}

func TestForm(t *testing.T) {
	s, address := newStandin(t)
	sound := speech.AudioOf(speechtest.Say(t, "rms", "yes"))
	both := []string{"word", "segment"}
	for name, c := range map[string]struct {
		deps    openai.Deps
		request speech.Request
		want    url.Values
	}{
		"default": {openai.Deps{}, speech.Request{}, url.Values{"model": {"whisper-1"}, "timestamp_granularities[]": both}},
		"language": {openai.Deps{Model: "large-v3"}, speech.Request{Language: "en-US"},
			url.Values{"model": {"large-v3"}, "language": {"en"}, "timestamp_granularities[]": both}},
		"language of the operator": {openai.Deps{Language: "en"}, speech.Request{},
			url.Values{"model": {"whisper-1"}, "language": {"en"}, "timestamp_granularities[]": both}},
		"segments alone": {openai.Deps{SegmentTimes: true}, speech.Request{},
			url.Values{"model": {"whisper-1"}, "timestamp_granularities[]": {"segment"}}},
		"key terms": {openai.Deps{}, speech.Request{Keyterms: []string{"Kubernetes", " \n", "K\n& R", strings.Repeat("x", 1000)}},
			url.Values{"model": {"whisper-1"}, "prompt": {"Kubernetes, K & R"}, "timestamp_granularities[]": both}},
		"more fields": {openai.Deps{Fields: map[string]string{"temperature": "0", "model": "tiny"}}, speech.Request{},
			url.Values{"model": {"tiny"}, "temperature": {"0"}, "timestamp_granularities[]": both}},
	} {
		c.deps.BaseURL = address
		result, err := newEngine(t, c.deps).Recognize(t.Context(), sound, c.request)
		require.NoError(t, err, name)
		require.Equal(t, "en", speech.PrimaryLanguage(result.Language), name)
		c.want.Set("response_format", "verbose_json")
		require.Empty(t, cmp.Diff(c.want, s.form()), name)
	}
}

// The server of whisper.cpp has another path, wants no key, and detects languages where it is told so.
func TestWhisperServer(t *testing.T) {
	recorded, err := os.ReadFile("testdata/whispercpp.json")
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/inference" || r.FormValue("language") != "auto" || len(r.Header["Authorization"]) > 0 {
			w.WriteHeader(http.StatusTeapot)
		}
		_ = r.MultipartForm.RemoveAll()
		_, _ = w.Write(recorded)
	}))
	t.Cleanup(server.Close)
	e, err := openai.New(openai.Deps{BaseURL: server.URL, Path: "/inference", Language: "auto", Concurrency: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	require.True(t, e.Capabilities().LanguageDetection)
	result, err := e.Recognize(t.Context(), speech.AudioOf(speechtest.Noise(3000, 0.5)), speech.Request{})
	require.NoError(t, err)
	require.Equal(t, "de", result.Language)
	require.Equal(t, "Guten Morgen, Hamburg.", speechtest.Text(result.Words))
	require.InDelta(t, 0.8, *result.Words[0].Confidence, 1e-9, "the mean of its pieces")
	require.Equal(t, caption.Millis(100), result.Words[0].Start)
	require.Equal(t, caption.Millis(500), result.Words[0].End)
}

// What models invent for silence is left out, where the sound itself is silent.
func TestInventedText(t *testing.T) {
	body := []byte(`{"text":"Hello. Thank you.","language":"en","segments":[
		{"start":0,"end":1,"text":" Hello."},{"start":2,"end":4,"text":" Thank you."}]}`)
	e := newEngine(t, openai.Deps{BaseURL: always(t, 200, nil, body)})
	loud := speechtest.Noise(1000, 0.5)
	result, err := e.Recognize(t.Context(), speech.AudioOf(speechtest.Join(loud, speechtest.Silence(4000))), speech.Request{})
	require.NoError(t, err)
	require.Equal(t, "Hello.", speechtest.Text(result.Words))
	result, err = e.Recognize(t.Context(), speech.AudioOf(speechtest.Join(loud, speechtest.Silence(3000), loud)), speech.Request{})
	require.NoError(t, err)
	require.Equal(t, "Hello. Thank you.", speechtest.Text(result.Words), "the times of segments are inexact")
}

func TestLanguages(t *testing.T) {
	e := newEngine(t, openai.Deps{BaseURL: "http://127.0.0.1:1", Languages: []string{"en"}})
	_, err := e.Recognize(t.Context(), speech.AudioOf(make([]byte, 32000)), speech.Request{Language: "de"})
	require.Equal(t, "language_unsupported", caption.CodeOf(err))
	for told, want := range map[string]string{"english": "en", "English": "en", "en": "en", "cantonese": "yue", "haitian creole": "ht", "klingonish": "", "": "", "und": "", "pt-BR": "pt"} {
		body := []byte(`{"text":"","segments":[],"language":"` + told + `"}`)
		result, err := newEngine(t, openai.Deps{BaseURL: always(t, 200, nil, body)}).Recognize(t.Context(), speech.AudioOf(make([]byte, 32000)), speech.Request{})
		require.NoError(t, err)
		require.Equal(t, want, result.Language, told)
	}
	body := []byte(`{"text":"","segments":[],"language":"english"}`)
	result, err := newEngine(t, openai.Deps{BaseURL: always(t, 200, nil, body)}).Recognize(t.Context(), speech.AudioOf(make([]byte, 32000)), speech.Request{Language: "en_gb"})
	require.NoError(t, err)
	require.Equal(t, "en-GB", result.Language, "what was asked for is more exact")
}

func TestRefusals(t *testing.T) {
	sound := speech.AudioOf(make([]byte, pcm.Bytes(1000)))
	for name, c := range map[string]struct {
		status int
		body   string
		kind   caption.Kind
		code   string
		cause  string // is in the error for the log
	}{
		"language": {400, `{"error":{"message":"Invalid language 'tlh'.","type":"invalid_request_error","param":"language","code":"invalid_language_format"}}`,
			caption.KindInvalid, "language_unsupported", "Invalid language"},
		"language, FastAPI": {422, `{"detail":[{"type":"enum","loc":["body","language"],"msg":"Input should be 'af' or 'am'"}]}`,
			caption.KindInvalid, "language_unsupported", "Input should be"},
		"file": {400, `{"error":{"message":"Invalid file format.","type":"invalid_request_error","param":"file","code":null}}`,
			caption.KindInvalid, remote.CodeRejected, "Invalid file format. (invalid_request_error, file)"},
		"file, whisper.cpp": {400, `{"error":"failed to read audio data"}`, caption.KindInvalid, remote.CodeRejected, "failed to read audio data"},
		"vLLM": {400, `{"object":"error","message":"Currently only support response_format json","type":"BadRequestError","param":null,"code":400}`,
			caption.KindInvalid, remote.CodeRejected, "Currently only support response_format json (BadRequestError, 400)"},
		"detail":     {422, `{"detail":"Unprocessable"}`, caption.KindInvalid, remote.CodeRejected, "status 422: Unprocessable"},
		"plain text": {400, "Invalid request", caption.KindInvalid, remote.CodeRejected, "status 400: Invalid request"},
		"bad key": {401, `{"error":{"message":"Incorrect API key provided: ` + key + `.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`,
			caption.KindInvalid, remote.CodeKey, "status 401"},
		"country":  {403, `{"error":{"message":"Country, region, or territory not supported","type":"request_forbidden"}}`, caption.KindInvalid, remote.CodeForbidden, "Country"},
		"no model": {404, `{"error":{"message":"The model x does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, caption.KindInvalid, remote.CodeAddress, "model_not_found"},
		"no path":  {404, "File Not Found (/v1/audio/transcriptions)", caption.KindInvalid, remote.CodeAddress, "File Not Found"},
		"too slow": {408, "", caption.KindUnavailable, remote.CodeBusy, "status 408"},
		"too large": {413, `{"error":{"message":"Maximum content size limit (26214400) exceeded","type":"server_error","param":null,"code":null}}`,
			caption.KindInvalid, "too_long", "26214400"},
		"too many": {429, `{"error":{"message":"Rate limit reached for whisper-1","type":"requests","param":null,"code":"rate_limit_exceeded"}}`,
			caption.KindRateLimited, remote.CodeBusy, "rate_limit_exceeded"},
		"no credit": {429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
			caption.KindInvalid, remote.CodePayment, "insufficient_quota"},
		"broken":              {500, `{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`, caption.KindUnavailable, remote.CodeBusy, "server_error"},
		"broken, whisper.cpp": {500, `{"error":"failed to process audio"}`, caption.KindUnavailable, remote.CodeBusy, "failed to process audio"},
		"exception":           {500, "500 Internal Server Error\nstd::bad_alloc", caption.KindUnavailable, remote.CodeBusy, "std::bad_alloc"},
		"overloaded":          {503, `{"error":{"message":"The engine is currently overloaded, please try again later"}}`, caption.KindUnavailable, remote.CodeBusy, "overloaded"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, openai.Deps{BaseURL: always(t, c.status, http.Header{"Retry-After": {"12"}}, []byte(c.body))})
			_, err := e.Recognize(t.Context(), sound, speech.Request{Language: "tlh"})
			require.Equal(t, c.kind, caption.KindOf(err), "%v", err)
			require.Equal(t, c.code, caption.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.cause)
			require.NotContains(t, err.Error(), key)
			var e2 *caption.Error
			require.ErrorAs(t, err, &e2)
			if e2.Kind != caption.KindInvalid {
				require.Equal(t, 12*time.Second, e2.RetryAfter)
			}
		})
	}
}

func TestBrokenAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "cut off": `{"text":"Hel`, "null": "null", "nothing": "{}", "a page": "<html>",
		"an error as a success": `{"error":"failed to process audio"}`,
		"no times at all":       `{"text":"Hello."}`,
		"no times of segments":  `{"text":"Hello.","segments":[{"text":"Hello."}]}`,
		"no times of words":     `{"text":"Hello.","words":[{"word":"Hello","start":null}]}`,
	} {
		e := newEngine(t, openai.Deps{BaseURL: always(t, 200, nil, []byte(body))})
		_, err := e.Recognize(t.Context(), speech.AudioOf(speechtest.Noise(1000, 0.5)), speech.Request{})
		require.Equal(t, caption.KindUnavailable, caption.KindOf(err), name)
		require.Equal(t, remote.CodeFailed, caption.CodeOf(err), name)
	}
}

func TestSettings(t *testing.T) {
	for name, d := range map[string]openai.Deps{
		"bad key": {Key: "two words"},
		"address": {BaseURL: "localhost:8080"},
		"upload":  {MaxUpload: 25},
	} {
		_, err := openai.New(d)
		require.Equal(t, "bad_settings", caption.CodeOf(err), name)
		require.NotContains(t, err.Error(), "two words")
	}
}

func TestNothingOfTheKeyIsSentElsewhere(t *testing.T) {
	var seen bytes.Buffer
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = r.Header.Write(&seen) }))
	t.Cleanup(target.Close)
	e := newEngine(t, openai.Deps{BaseURL: always(t, 307, http.Header{"Location": {target.URL}}, nil)})
	_, err := e.Recognize(t.Context(), speech.AudioOf(make([]byte, 32000)), speech.Request{})
	require.Equal(t, remote.CodeAddress, caption.CodeOf(err))
	require.Zero(t, seen.Len())
}
