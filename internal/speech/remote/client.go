package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech"
)

// maxRefusal is how much of an answer is read that is not a success; it is only looked through for the reason.
const maxRefusal = 64 << 10

// Config is what a client needs. Zero values mean the defaults, except where it says otherwise.
type Config struct {
	Engine string // its name, for messages; required
	Key    string // the secret, so that it can be kept out of errors; may be empty
	// Calls is how many run at once; further ones wait for their turn. Required.
	Calls int
	// Stall is how long a call may go without a byte in either direction while it sends or receives. Default: 1 min.
	Stall time.Duration
	// Wait is how long the service may take from the last byte sent to the first byte of its answer. Required.
	Wait time.Duration
	// MaxAnswer is the largest answer in bytes. Required.
	MaxAnswer int64
	// Transport sends requests. Default: one of its own, which takes proxies from the environment.
	Transport http.RoundTripper
	Now       func() time.Time
}

// Client calls one service. It is safe for concurrent use.
type Client struct {
	Config
	http  http.Client
	slots chan struct{}

	closing context.Context // ends with Close
	close   context.CancelFunc
	mu      sync.Mutex
	calls   sync.WaitGroup
}

// New returns a client.
func New(c Config) *Client {
	c.Stall = cmp.Or(c.Stall, time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: c.Calls,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		}
	}
	client := &Client{Config: c, slots: make(chan struct{}, c.Calls)}
	client.http = http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the sound is sent to the address that the operator named and to no other
	}}
	client.closing, client.close = context.WithCancel(context.Background())
	return client
}

// Call is what to send: a WAV file, and what of the body stands around it.
type Call struct {
	URL           string
	Header        http.Header
	Before, After []byte
	// Tap, if set, is shown the samples while they are sent. Where a connection breaks before the service has seen
	// anything, they may be sent from the start again on another one: restart says so.
	Tap func(samples []byte, restart bool)
}

// Answer is what came back, of whatever status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Sent is false where the answer came before all of the sound was sent.
	Sent bool
}

var (
	// ErrTooShort is returned for sound in which no word has room. Services refuse it.
	ErrTooShort = errors.New("the sound is too short for a word")

	errClosed  = caption.Errorf(caption.KindUnavailable, "The speech engine is stopping. Try again.").WithCode("engine_closed")
	errStalled = errors.New("nothing was sent or received for too long")
)

// Post sends the audio and returns the answer. Errors are those of [speech.Recognizer], besides [ErrTooShort].
func (c *Client) Post(ctx context.Context, a speech.Audio, call Call) (Answer, error) {
	if err := c.begin(); err != nil {
		return Answer{}, err
	}
	defer c.calls.Done()
	open, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.closing, func() { cancel(errClosed) })()

	up := &upload{audio: a, call: call, cancel: cancel, stall: c.Stall, wait: c.Wait}
	answer, err := c.post(open, up)
	cause := context.Cause(open)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil: // whatever failed then failed because of it
		return Answer{}, fmt.Errorf("recognise: %w (%w)", ctx.Err(), context.Cause(ctx))
	case errors.Is(cause, errClosed):
		return Answer{}, errClosed
	case up.failure() != nil:
		return Answer{}, up.failure()
	case errors.Is(cause, errStalled):
		return Answer{}, c.unreachable(errStalled)
	}
	if _, ok := errors.AsType[*caption.Error](err); ok || errors.Is(err, ErrTooShort) {
		return Answer{}, err
	}
	return Answer{}, c.unreachable(err)
}

// begin registers a call with Close.
func (c *Client) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing.Err() != nil {
		return errClosed
	}
	c.calls.Add(1)
	return nil
}

func (c *Client) post(ctx context.Context, up *upload) (Answer, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	if err := ctx.Err(); err != nil { // both were ready
		return Answer{}, err
	}
	defer up.watch()()
	body, err := up.open()
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, up.call.URL, body)
	if err != nil {
		_ = body.Close() // It was only read.
		return Answer{}, fmt.Errorf("make request: %w", err)
	}
	maps.Copy(req.Header, up.call.Header)
	req.ContentLength = up.size()
	req.GetBody = up.open // for an idle connection that the server closes just then

	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }() // It was only read.
	limit := int64(maxRefusal)
	if resp.StatusCode == http.StatusOK {
		limit = c.MaxAnswer
	}
	b, err := io.ReadAll(io.LimitReader(&watched{resp.Body, up}, limit+1))
	if resp.StatusCode == http.StatusOK {
		if err != nil {
			return Answer{}, fmt.Errorf("read answer: %w", err)
		}
		if int64(len(b)) > limit {
			return Answer{}, c.Broken(fmt.Errorf("the answer is larger than %d bytes", limit))
		}
	}
	// The status of a refusal counts even where its text is cut off.
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: b, Sent: up.sent()}, nil
}

// Close ends all calls in progress with an error, and closes connections.
func (c *Client) Close() error {
	c.mu.Lock()
	c.close()
	c.mu.Unlock()
	c.calls.Wait()
	c.http.CloseIdleConnections()
	return nil
}

// Address joins the base URL that an operator set, named so in the error, with a path.
func Address(setting, base, path string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(base, "/") + "/" + strings.TrimLeft(path, "/"))
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, badSetting("%s is no web address. It must look like https://api.example.com/v1.", setting)
	case u.User != nil: // it would be in logs
		return nil, badSetting("%s holds a user name or password. Give the key in the setting for it.", setting)
	case u.Fragment != "":
		return nil, badSetting("%s ends in #…, which is never sent. Leave that away.", setting)
	}
	return u, nil
}

// Key returns a secret without the white space that files end with. setting names it in the error, which does not hold it.
func Key(setting, key string) (string, error) {
	key = strings.TrimSpace(key)
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", badSetting("%s holds a space or another character that no key has.", setting)
	}
	return key, nil
}

func badSetting(format string, args ...any) error {
	return caption.Errorf(caption.KindInvalid, format, args...).WithCode("bad_settings")
}
