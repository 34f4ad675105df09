package openai

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/remote"
)

// Name of the engine, where Deps gives it no other.
const Name = "openai"

const (
	// maxUpload is what OpenAI and Groq take.
	maxUpload = 25_000_000
	// around is how much of a request may be other than sound.
	around = 8 << 10
	// maxAnswer has room for every token of the longest upload, with times and probabilities.
	maxAnswer = 64 << 20
	// maxPrompt is how many bytes of key terms are sent; models read only some 200 tokens.
	maxPrompt = 600

	defaultConcurrency = 4
)

// Deps are what an engine needs. Zero values mean the defaults.
type Deps struct {
	// Name by which jobs ask for the engine. Default: openai.
	Name    string
	BaseURL string // default: https://api.openai.com/v1
	// Path below BaseURL. Default: /audio/transcriptions; whisper.cpp's server has /inference.
	Path  string
	Key   string // servers of one's own often want none
	Model string // default: whisper-1
	// Language is what a request without one gets. Default: nothing is sent, and most servers detect the language; whisper.cpp's
	// server takes English then, and detects where it is sent "auto".
	Language string
	// Languages that the model knows, as BCP 47 primary subtags. Default: the server is asked.
	Languages []string
	// SegmentTimes asks for the times of segments alone, for servers that refuse to give those of words.
	SegmentTimes bool
	// Fields are more fields of the form, for example temperature=0. They win over those of this package.
	Fields map[string]string
	// MaxUpload is the largest request in bytes. Default: 25 MB.
	MaxUpload int64
	// Concurrency is how many requests run at once; whisper.cpp's server works on one at a time. Default: 4.
	Concurrency int
	Stall       time.Duration // how long nothing may be sent or received; default: 1 min
	Wait        time.Duration // how long the server may work on one request; default: 10 min
	Transport   http.RoundTripper
	Logger      *slog.Logger
	Now         func() time.Time
}

// Engine is a [speech.Recognizer].
type Engine struct {
	deps   Deps
	url    *url.URL
	client *remote.Client
}

var _ speech.Recognizer = (*Engine)(nil)

// New returns an engine. It does not connect. The error names the setting that is wrong, without its value.
func New(d Deps) (*Engine, error) {
	d.Name = cmp.Or(d.Name, Name)
	key, err := remote.Key("The key of the engine "+d.Name, d.Key)
	if err != nil {
		return nil, err
	}
	u, err := remote.Address("The address of the engine "+d.Name, cmp.Or(d.BaseURL, "https://api.openai.com/v1"), cmp.Or(d.Path, "/audio/transcriptions"))
	if err != nil {
		return nil, err
	}
	d.Key = key
	d.Model = cmp.Or(d.Model, "whisper-1")
	d.MaxUpload = cmp.Or(d.MaxUpload, maxUpload)
	if d.MaxUpload < 1_000_000 {
		return nil, caption.Errorf(caption.KindInvalid, "The largest upload of the engine %s is below 1 MB, which is half a minute of sound.", d.Name).WithCode("bad_settings")
	}
	if d.Concurrency <= 0 {
		d.Concurrency = defaultConcurrency
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return &Engine{deps: d, url: u, client: remote.New(remote.Config{
		Engine: d.Name, Key: key, Calls: d.Concurrency, Stall: d.Stall, Wait: cmp.Or(d.Wait, 10*time.Minute),
		MaxAnswer: maxAnswer, Transport: d.Transport, Now: d.Now,
	})}, nil
}

// Capabilities says what an engine with default settings can do, without the key that it takes to make one.
func Capabilities() speech.Capabilities {
	return speech.Capabilities{
		Name: Name, WordTimes: true, LanguageDetection: true, Keyterms: true, MaxDuration: pcm.Duration(maxUpload - around), Parallelism: defaultConcurrency,
	}
}

// Capabilities implements [speech.Recognizer].
func (e *Engine) Capabilities() speech.Capabilities {
	return speech.Capabilities{
		Name: e.deps.Name, WordTimes: !e.deps.SegmentTimes, Languages: slices.Clone(e.deps.Languages),
		LanguageDetection: e.deps.Language == "" || e.deps.Language == auto, Keyterms: true,
		MaxDuration: pcm.Duration(e.deps.MaxUpload - around),
		Parallelism: e.deps.Concurrency,
	}
}

// auto makes whisper.cpp's server detect the language.
const auto = "auto"

// Recognize implements [speech.Recognizer].
func (e *Engine) Recognize(ctx context.Context, a speech.Audio, r speech.Request) (speech.Result, error) {
	c := e.Capabilities()
	if r.Language != "" && len(c.Languages) > 0 && !slices.Contains(c.Languages, speech.PrimaryLanguage(r.Language)) {
		return speech.Result{}, speech.LanguageUnsupported(c, r.Language)
	}
	if a.Duration > c.MaxDuration {
		return speech.Result{}, caption.Errorf(caption.KindInvalid, "The sound is longer than the %s that the engine takes at once.",
			c.MaxDuration.Duration().Round(time.Second)).WithCode("too_long")
	}
	before, after, contentType, err := e.form(r)
	if err != nil {
		return speech.Result{}, err
	}
	header := http.Header{"Content-Type": {contentType}}
	if e.deps.Key != "" {
		header.Set("Authorization", "Bearer "+e.deps.Key)
	}
	var level meter
	answer, err := e.client.Post(ctx, a, remote.Call{URL: e.url.String(), Header: header, Before: before, After: after, Tap: level.tap})
	switch {
	case errors.Is(err, remote.ErrTooShort):
		return speech.Result{}, nil
	case err != nil:
		return speech.Result{}, err
	case answer.Status != http.StatusOK:
		return speech.Result{}, e.refused(answer, r)
	}
	t, err := parse(answer.Body)
	if err != nil {
		return speech.Result{}, e.client.Broken(err)
	}
	words, left, err := t.hear(&level)
	if err != nil {
		return speech.Result{}, e.client.Broken(err)
	}
	if left > 0 {
		e.deps.Logger.DebugContext(ctx, "segments without speech left out", "engine", e.deps.Name, "segments", left)
	}
	return speech.Result{Words: remote.Place(words, a.Duration), Language: e.language(t.Language, r.Language)}, nil
}

// language returns the tag of a result: what was asked for, if that was more exact, or else what the server tells.
func (e *Engine) language(told, asked string) string {
	if asked == "" && e.deps.Language != auto {
		asked = e.deps.Language
	}
	code := languageCode(told)
	if asked != "" && (code == "" || speech.PrimaryLanguage(asked) == code) {
		return remote.Tag(asked)
	}
	return code
}

// form returns what stands before and after the sound in the body.
func (e *Engine) form(r speech.Request) (before, after []byte, contentType string, err error) {
	fields := map[string]string{"model": e.deps.Model, "response_format": "verbose_json"}
	switch {
	case r.Language != "":
		fields["language"] = speech.PrimaryLanguage(r.Language) // these servers know no regions
	case e.deps.Language != "":
		fields["language"] = e.deps.Language
	}
	if p := prompt(r.Keyterms); p != "" {
		fields["prompt"] = p
	}
	maps.Copy(fields, e.deps.Fields)

	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		err = errors.Join(err, w.WriteField(name, fields[name]))
	}
	const granularities = "timestamp_granularities[]"
	if !e.deps.SegmentTimes {
		err = errors.Join(err, w.WriteField(granularities, "word"))
	}
	err = errors.Join(err, w.WriteField(granularities, "segment"))
	_, fileErr := w.CreatePart(map[string][]string{
		"Content-Disposition": {`form-data; name="file"; filename="audio.wav"`}, "Content-Type": {"audio/wav"},
	})
	start := b.Len()
	err = errors.Join(err, fileErr, w.Close())
	if err != nil {
		return nil, nil, "", fmt.Errorf("make form: %w", err)
	}
	return b.Bytes()[:start], b.Bytes()[start:], w.FormDataContentType(), nil
}

// prompt returns the key terms as the text that these models take for what was said before.
func prompt(keyterms []string) string {
	var b strings.Builder
	for _, term := range keyterms {
		term = strings.Join(strings.Fields(term), " ")
		if term == "" || b.Len()+len(term)+2 > maxPrompt {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(term)
	}
	return b.String()
}

// refused returns the error for an answer that is no success.
func (e *Engine) refused(a remote.Answer, r speech.Request) error {
	f := parseRefusal(a.Body)
	switch {
	case a.Status == http.StatusTooManyRequests && f.has("insufficient_quota"):
		return remote.Unpaid(e.deps.Name).WithCause(e.client.Refused(a, f.String())) // waiting does not help
	case a.Status == http.StatusBadRequest || a.Status == http.StatusUnprocessableEntity:
		if r.Language != "" && f.about("language") {
			return e.client.UnknownLanguage(r.Language, a, f.String())
		}
	}
	return e.client.Refused(a, f.String())
}

// Close ends all calls in progress with an error.
func (e *Engine) Close() error { return e.client.Close() }
