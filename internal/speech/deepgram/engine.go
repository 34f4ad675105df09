package deepgram

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/remote"
)

// Name of the engine.
const Name = "deepgram"

const (
	// maxFile is the largest file that the service takes; as sound it lasts more than 17 hours.
	maxFile = 2_000_000_000
	// processing is how long the service works on one request before it gives up with status 504.
	processing = 10 * time.Minute
	// maxAnswer has room for the words of maxFile, three times over: the service repeats them in utterances and paragraphs.
	maxAnswer = 256 << 20
	// maxKeyterms and maxKeyterm bound the length of the address.
	maxKeyterms, maxKeyterm = 100, 100

	defaultConcurrency = 10
)

// Deps are what an engine needs. Zero values mean the defaults; only Key has none.
type Deps struct {
	Key     string
	BaseURL string // default: https://api.deepgram.com/v1
	Model   string // default: nova-3
	// Language is what a request without one gets: a BCP 47 tag, or "multi" for speech that changes its language. Default:
	// the service detects the language.
	Language string
	// UtteranceGap is the silence that ends an utterance. Default: 0.8 s.
	UtteranceGap time.Duration
	// Options are more parameters of the service, for example mip_opt_out=true. They win over those of this package.
	Options url.Values
	// Concurrency is how many requests run at once. The service counts all of a project together, so it is to be set
	// with the number of workers in mind. Default: 10.
	Concurrency int
	Stall       time.Duration // how long nothing may be sent or received; default: 1 min
	Wait        time.Duration // how long the service may work on one request; default: a minute more than it does
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
	key, err := remote.Key("The key of Deepgram", d.Key)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, caption.Errorf(caption.KindInvalid, "The key of Deepgram is not set. Make one at https://console.deepgram.com.").WithCode("bad_settings")
	}
	u, err := remote.Address("The address of Deepgram", cmp.Or(d.BaseURL, "https://api.deepgram.com/v1"), "listen")
	if err != nil {
		return nil, err
	}
	d.Key = key
	d.Model = cmp.Or(d.Model, "nova-3")
	d.UtteranceGap = cmp.Or(d.UtteranceGap, 800*time.Millisecond)
	if d.Concurrency <= 0 {
		d.Concurrency = defaultConcurrency
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return &Engine{deps: d, url: u, client: remote.New(remote.Config{
		Engine: Name, Key: key, Calls: d.Concurrency, Stall: d.Stall, Wait: cmp.Or(d.Wait, processing+time.Minute),
		MaxAnswer: maxAnswer, Transport: d.Transport, Now: d.Now,
	})}, nil
}

// Capabilities says what an engine with default settings can do, without the key that it takes to make one.
func Capabilities() speech.Capabilities {
	return speech.Capabilities{
		Name: Name, WordTimes: true, Confidence: true, Diarization: true, Keyterms: true, WholeFile: true, LanguageDetection: true,
		MaxDuration: pcm.Duration(maxFile - pcm.HeaderSize), Parallelism: defaultConcurrency,
	}
}

// Capabilities implements [speech.Recognizer].
func (e *Engine) Capabilities() speech.Capabilities {
	c := Capabilities()
	c.LanguageDetection = e.deps.Language == "" || e.deps.Language == multi
	c.Keyterms = e.takesKeyterms()
	c.Parallelism = e.deps.Concurrency
	return c
}

// multi is the language of speech that changes its language.
const multi = "multi"

// Recognize implements [speech.Recognizer].
func (e *Engine) Recognize(ctx context.Context, a speech.Audio, r speech.Request) (speech.Result, error) {
	if most := e.Capabilities().MaxDuration; a.Duration > most {
		return speech.Result{}, caption.Errorf(caption.KindInvalid, "The sound is longer than the %s that the engine takes at once.",
			most.Duration().Round(time.Minute)).WithCode("too_long")
	}
	address := *e.url
	address.RawQuery = e.query(r).Encode()
	answer, err := e.client.Post(ctx, a, remote.Call{
		URL:    address.String(),
		Header: http.Header{"Authorization": {"Token " + e.deps.Key}, "Content-Type": {"audio/wav"}},
	})
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
	if len(t.warnings) > 0 {
		e.deps.Logger.WarnContext(ctx, "deepgram warns", "request_id", t.requestID, "warnings", t.warnings)
	}
	return speech.Result{Words: remote.Place(t.words, a.Duration), Language: cmp.Or(t.language, requested(r.Language), e.language())}, nil
}

// language returns the tag that requests without one get, if there is one.
func (e *Engine) language() string {
	if e.deps.Language == multi {
		return ""
	}
	return requested(e.deps.Language)
}

func requested(tag string) string {
	if tag == "" {
		return ""
	}
	return remote.Tag(tag)
}

// query returns the options of a request.
func (e *Engine) query(r speech.Request) url.Values {
	q := url.Values{
		"model":        {e.deps.Model}, // the service's own default is an old one
		"smart_format": {"true"},
		"punctuate":    {"true"},
		"paragraphs":   {"true"},
		"utterances":   {"true"},
		"utt_split":    {strconv.FormatFloat(e.deps.UtteranceGap.Seconds(), 'f', -1, 64)},
	}
	switch {
	case r.Language != "":
		q.Set("language", requested(r.Language))
	case e.deps.Language != "":
		q.Set("language", e.deps.Language)
	default:
		q.Set("detect_language", "true")
	}
	if r.Diarize {
		q.Set("diarize_model", "latest")
	}
	if e.takesKeyterms() {
		for _, term := range r.Keyterms[:min(len(r.Keyterms), maxKeyterms)] {
			if term = strings.TrimSpace(term); term != "" && len(term) <= maxKeyterm {
				q.Add("keyterm", term)
			}
		}
	}
	for name, values := range e.deps.Options {
		q[name] = slices.Clone(values)
	}
	return q
}

// takesKeyterms tells whether the model can be told words to expect; other models refuse such a request.
func (e *Engine) takesKeyterms() bool { return strings.HasPrefix(e.deps.Model, "nova-3") }

// refused returns the error for an answer that is no success.
func (e *Engine) refused(a remote.Answer, r speech.Request) error {
	f := parseRefusal(a.Body)
	detail := f.String()
	if f.requestID == "" {
		if id := a.Header.Get("Dg-Request-Id"); id != "" {
			detail += " (request " + id + ")"
		}
	}
	err := e.client.Refused(a, detail)
	switch {
	case a.Status == http.StatusUnprocessableEntity && !a.Sent:
		// The service means an upload that ended early, and here it did: the next one may go through.
		err.Kind, err.Code = caption.KindUnavailable, remote.CodeUnreachable
		err.Message = "The sound did not reach the speech engine deepgram in full. Try again."
	case a.Status == http.StatusUnprocessableEntity, a.Status == http.StatusBadRequest && f.aboutAudio():
		err.Code = "audio_unreadable"
		err.Message = "The speech engine deepgram cannot read the sound of this video. Choose another engine."
	case a.Status == http.StatusBadRequest && r.Language != "" && f.aboutLanguage():
		return e.client.UnknownLanguage(r.Language, a, detail)
	}
	return err
}

// Close ends all calls in progress with an error.
func (e *Engine) Close() error { return e.client.Close() }
