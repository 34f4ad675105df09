package deepgram_test

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/deepgram"
	"k8s-scalers/internal/speech/remote"
	"k8s-scalers/internal/speech/speechtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newEngine(t *testing.T, d deepgram.Deps) *deepgram.Engine {
	t.Helper()
	if d.Key == "" {
		d.Key = key
	}
	e, err := deepgram.New(d)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func TestConformance(t *testing.T) {
	speechtest.Run(t, speechtest.Engine{
		New: func(t *testing.T) speech.Recognizer {
			s, address := newStandin(t)
			return whole{newEngine(t, deepgram.Deps{BaseURL: address, Concurrency: 2}), s}
		},
		MaxWER: 0.15, Unsupported: "tlh",
	})
}

func TestCapabilities(t *testing.T) {
	c := newEngine(t, deepgram.Deps{Language: "en"}).Capabilities()
	require.False(t, c.LanguageDetection)
	require.True(t, c.WholeFile)
	require.LessOrEqual(t, pcm.WAVSize(pcm.Bytes(c.MaxDuration)), int64(2_000_000_000))
	require.Greater(t, c.MaxDuration.Duration(), 17*time.Hour)
	require.True(t, newEngine(t, deepgram.Deps{Language: "multi"}).Capabilities().LanguageDetection)
	require.True(t, newEngine(t, deepgram.Deps{}).Capabilities().LanguageDetection)
}

func TestOptions(t *testing.T) {
	s, address := newStandin(t)
	sound := speech.AudioOf(speechtest.Say(t, "rms", "yes"))
	always := url.Values{"model": {"nova-3"}, "smart_format": {"true"}, "punctuate": {"true"}, "paragraphs": {"true"},
		"utterances": {"true"}, "utt_split": {"0.8"}}
	for name, c := range map[string]struct {
		deps     deepgram.Deps
		request  speech.Request
		more     url.Values
		language string
	}{
		"default":                   {deepgram.Deps{}, speech.Request{}, url.Values{"detect_language": {"true"}}, "en"},
		"language":                  {deepgram.Deps{}, speech.Request{Language: "EN_us"}, url.Values{"language": {"en-US"}}, "en-US"},
		"language of the operator":  {deepgram.Deps{Language: "en-GB"}, speech.Request{}, url.Values{"language": {"en-GB"}}, "en-GB"},
		"language of the job":       {deepgram.Deps{Language: "multi"}, speech.Request{Language: "en"}, url.Values{"language": {"en"}}, "en"},
		"several languages":         {deepgram.Deps{Language: "multi"}, speech.Request{}, url.Values{"language": {"multi"}}, ""},
		"speakers":                  {deepgram.Deps{Language: "en"}, speech.Request{Diarize: true}, url.Values{"language": {"en"}, "diarize_model": {"latest"}}, "en"},
		"key terms":                 {deepgram.Deps{Language: "en"}, speech.Request{Keyterms: []string{"Kubernetes", " ", "K & R"}}, url.Values{"language": {"en"}, "keyterm": {"Kubernetes", "K & R"}}, "en"},
		"key terms, another model":  {deepgram.Deps{Language: "en", Model: "nova-2"}, speech.Request{Keyterms: []string{"Kubernetes"}}, url.Values{"language": {"en"}, "model": {"nova-2"}}, "en"},
		"too many key terms":        {deepgram.Deps{Language: "en"}, speech.Request{Keyterms: slices.Repeat([]string{"k"}, 1000)}, url.Values{"language": {"en"}, "keyterm": slices.Repeat([]string{"k"}, 100)}, "en"},
		"more of the operator's":    {deepgram.Deps{Language: "en", Options: url.Values{"mip_opt_out": {"true"}, "punctuate": {"false"}}}, speech.Request{}, url.Values{"language": {"en"}, "mip_opt_out": {"true"}, "punctuate": {"false"}}, "en"},
		"another gap of utterances": {deepgram.Deps{Language: "en", UtteranceGap: 1200 * time.Millisecond}, speech.Request{}, url.Values{"language": {"en"}, "utt_split": {"1.2"}}, "en"},
	} {
		c.deps.BaseURL = address
		result, err := newEngine(t, c.deps).Recognize(t.Context(), sound, c.request)
		require.NoError(t, err, name)
		require.Equal(t, c.language, result.Language, name)
		want := url.Values{}
		for _, from := range []url.Values{always, c.more} {
			maps.Copy(want, from)
		}
		require.Empty(t, cmp.Diff(want, s.query()), name)
	}
}

func TestSpeakers(t *testing.T) {
	_, address := newStandin(t)
	e := newEngine(t, deepgram.Deps{BaseURL: address})
	result, err := e.Recognize(t.Context(), speech.AudioOf(speechtest.Say(t, "rms", speechtest.Sentences[0])), speech.Request{Diarize: true})
	require.NoError(t, err)
	require.Equal(t, "Speaker 1", result.Words[0].Speaker)
	require.Equal(t, "Speaker 2", result.Words[len(result.Words)-1].Speaker)
	require.Regexp(t, "^[A-Z].*,$", result.Words[0].Text, "the word with its punctuation")
}

func TestAnswer(t *testing.T) {
	recorded, err := os.ReadFile("testdata/diarized.json")
	require.NoError(t, err)
	var logged bytes.Buffer
	e := newEngine(t, deepgram.Deps{BaseURL: always(t, 200, nil, recorded), Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	result, err := e.Recognize(t.Context(), speech.AudioOf(make([]byte, pcm.Bytes(6200))), speech.Request{Diarize: true})
	require.NoError(t, err)
	c := func(v float64) *float64 { return &v }
	require.Empty(t, cmp.Diff(speech.Result{Language: "en", Words: []caption.Word{
		{Text: "Good", Start: 480, End: 720, Confidence: c(0.991), Speaker: "Speaker 1"},
		{Text: "morning.", Start: 720, End: 1220, Confidence: c(0.998), Speaker: "Speaker 1"},
		{Text: "We", Start: 2000, End: 2160, Confidence: c(0.97), Speaker: "Speaker 2"},
		{Text: "owe", Start: 2160, End: 2400, Confidence: c(0.95), Speaker: "Speaker 2"},
		{Text: "$12.50,", Start: 2400, End: 3900, Confidence: c(0.93), Speaker: "Speaker 2"},
		{Text: "don't", Start: 3920, End: 4160, Confidence: c(0.99), Speaker: "Speaker 2"},
		{Text: "we?", Start: 4160, End: 4400, Confidence: c(0.99), Speaker: "Speaker 2"},
		{Text: "Yes.", Start: 5100, End: 5600, Confidence: c(0.999), Speaker: "Speaker 1"},
	}}, result))
	require.Contains(t, logged.String(), "unsupported_model")
	require.NotContains(t, logged.String(), "morning")
	require.NotContains(t, logged.String(), key)
}

// What the service documents as errors, in its three forms.
func TestRefusals(t *testing.T) {
	const id = `,"request_id":"11111111-2222"}`
	sound := speech.AudioOf(make([]byte, pcm.Bytes(1000)))
	for name, c := range map[string]struct {
		status     int
		body       string
		retryAfter string
		kind       caption.Kind
		code       string
		cause      string // is in the error for the log
	}{
		"bad JSON": {400, `{"category":"INVALID_JSON","message":"Invalid JSON submitted.","details":"Json deserialize error: missing field"` + id,
			"", caption.KindInvalid, remote.CodeRejected, "INVALID_JSON Invalid JSON submitted. Json deserialize error: missing field (request 11111111-2222)"},
		"details that are an object": {400, `{"category":"INVALID_QUERY_PARAMETER","message":"Bad.","details":{"name":"utt_split"}` + id,
			"", caption.KindInvalid, remote.CodeRejected, `Bad. {"name":"utt_split"}`},
		"corrupt": {400, `{"err_code":"Bad Request","err_msg":"Bad Request: failed to process audio: corrupt or unsupported data"` + id,
			"", caption.KindInvalid, "audio_unreadable", "corrupt or unsupported data"},
		"language": {400, `{"err_code":"Bad Request","err_msg":"Bad Request: No such model/language/tier combination found."` + id,
			"", caption.KindInvalid, "language_unsupported", "No such model"},
		"plain text": {400, "Bad Request", "", caption.KindInvalid, remote.CodeRejected, "status 400: Bad Request"},
		"bad key": {401, `{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials: ` + key + `."` + id,
			"", caption.KindInvalid, remote.CodeKey, "status 401"},
		"key that may not": {401, `{"err_code":"INSUFFICIENT_PERMISSIONS","err_msg":"User does not have sufficient permissions."` + id,
			"", caption.KindInvalid, remote.CodeKey, "status 401"},
		"no credit": {402, `{"err_code":"ASR_PAYMENT_REQUIRED","err_msg":"Project does not have enough credits for an ASR request and does not have an overage agreement."` + id,
			"", caption.KindInvalid, remote.CodePayment, "ASR_PAYMENT_REQUIRED"},
		"no access to the model": {403, `{"err_code":"INSUFFICIENT_PERMISSIONS","err_msg":"Project does not have access to the requested model."` + id,
			"", caption.KindInvalid, remote.CodeForbidden, "requested model"},
		"not found":       {404, "not here", "", caption.KindInvalid, remote.CodeAddress, "not here"},
		"too slow":        {408, "Request Timeout", "", caption.KindUnavailable, remote.CodeBusy, "status 408"},
		"too large":       {413, "", "", caption.KindInvalid, "too_long", "status 413"},
		"truncated":       {422, `{"err_code":"ASR_UNPROCESSABLE_ENTITY","err_msg":"The audio is incomplete."` + id, "", caption.KindInvalid, "audio_unreadable", "ASR_UNPROCESSABLE_ENTITY"},
		"too many":        {429, `{"err_code":"TOO_MANY_REQUESTS","err_msg":"Too many requests. Please try again later."` + id, "12", caption.KindRateLimited, remote.CodeBusy, "TOO_MANY_REQUESTS"},
		"broken":          {500, `{"err_code":"INTERNAL_SERVER_ERROR","err_msg":"Internal."` + id, "", caption.KindUnavailable, remote.CodeBusy, "INTERNAL_SERVER_ERROR"},
		"bad gateway":     {502, "<html><body>Bad Gateway</body></html>", "", caption.KindUnavailable, remote.CodeBusy, "Bad Gateway"},
		"unavailable":     {503, "", "12", caption.KindUnavailable, remote.CodeBusy, "status 503"},
		"gateway timeout": {504, `{"err_code":"Gateway Timeout","err_msg":"Request timed out."` + id, "", caption.KindUnavailable, remote.CodeBusy, "Gateway Timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Dg-Request-Id": {"11111111-2222"}}
			if c.retryAfter != "" {
				header.Set("Retry-After", c.retryAfter)
			}
			e := newEngine(t, deepgram.Deps{BaseURL: always(t, c.status, header, []byte(c.body))})
			_, err := e.Recognize(t.Context(), sound, speech.Request{Language: "tlh"})
			require.Equal(t, c.kind, caption.KindOf(err), "%v", err)
			require.Equal(t, c.code, caption.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.cause)
			require.NotContains(t, err.Error(), key)
			var e2 *caption.Error
			require.ErrorAs(t, err, &e2)
			if c.retryAfter != "" {
				require.Equal(t, 12*time.Second, e2.RetryAfter)
			}
			if c.code != remote.CodeKey {
				require.Contains(t, err.Error(), "11111111-2222", "the request's id, to ask the service about it")
			}
		})
	}
}

// An upload that the service gives up before its end is worth another try; HTTP/2 gets such an answer through.
func TestUploadThatBroke(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 1000)
		refuse(w, http.StatusUnprocessableEntity, "ASR_UNPROCESSABLE_ENTITY", "The audio is incomplete.")
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	e := newEngine(t, deepgram.Deps{BaseURL: server.URL, Transport: server.Client().Transport})
	_, err := e.Recognize(t.Context(), speech.AudioOf(make([]byte, pcm.Bytes(600_000))), speech.Request{})
	require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%v", err)
	require.Equal(t, remote.CodeUnreachable, caption.CodeOf(err))
}

func TestBrokenAnswers(t *testing.T) {
	recorded, err := os.ReadFile("testdata/diarized.json")
	require.NoError(t, err)
	for name, body := range map[string][]byte{
		"empty": nil, "cut off": recorded[:len(recorded)/2], "null": []byte("null"), "another": []byte(`{"request_id":"for a callback"}`),
		"a page": []byte("<html>"), "no channel": []byte(`{"results":{"channels":[]}}`),
		"no time": []byte(`{"results":{"channels":[{"alternatives":[{"words":[{"word":"a"}]}]}]}}`),
	} {
		e := newEngine(t, deepgram.Deps{BaseURL: always(t, 200, nil, body)})
		_, err := e.Recognize(t.Context(), speech.AudioOf(make([]byte, pcm.Bytes(1000))), speech.Request{})
		require.Equal(t, caption.KindUnavailable, caption.KindOf(err), name)
		require.Equal(t, remote.CodeFailed, caption.CodeOf(err), name)
	}
}

func TestSettings(t *testing.T) {
	for name, d := range map[string]deepgram.Deps{
		"no key":  {},
		"bad key": {Key: "two words"},
		"address": {Key: key, BaseURL: "api.deepgram.com"},
	} {
		_, err := deepgram.New(d)
		require.Equal(t, "bad_settings", caption.CodeOf(err), name)
		require.NotContains(t, err.Error(), "two words")
	}
}
