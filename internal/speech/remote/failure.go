package remote

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"k8s-scalers/internal/caption"
)

// Codes of errors, besides those that [speech.Recognizer] names.
const (
	CodeUnreachable = "engine_unreachable" // no connection, it broke, or nothing came: worth another try
	CodeBusy        = "engine_busy"        // 408, 429 and 5xx: worth another try
	CodeFailed      = "engine_failed"      // an answer that cannot be read: worth another try
	CodeKey         = "engine_key"         // 401
	CodePayment     = "engine_payment"     // 402
	CodeForbidden   = "engine_forbidden"   // 403
	CodeAddress     = "engine_address"     // 404 and others: the address or the model is wrong
	CodeRejected    = "engine_rejected"    // 400 and others
)

const (
	maxRetryAfter = time.Hour
	maxDetail     = 300 // runes of a service's own text that are kept for the log
)

// Refused returns the error for an answer that is no success, of which detail is the service's own text; that is for the
// log only. The statuses 408, 429 and 5xx are worth another try.
func (c *Client) Refused(a Answer, detail string) *caption.Error {
	e := c.refused(a.Status)
	if e.Code == CodeKey {
		detail = "" // services repeat parts of the key in it
	}
	e.RetryAfter = c.retryAfter(a.Header)
	return e.WithCause(fmt.Errorf("status %d: %s", a.Status, c.clean(detail)))
}

func (c *Client) refused(status int) *caption.Error {
	invalid := func(code, format string) *caption.Error {
		return caption.Errorf(caption.KindInvalid, format, c.Engine).WithCode(code)
	}
	switch {
	case status == http.StatusTooManyRequests:
		return caption.Errorf(caption.KindRateLimited, "The speech engine %s has too much to do. Try again later.", c.Engine).WithCode(CodeBusy)
	case status >= 500, status == http.StatusRequestTimeout:
		return caption.Errorf(caption.KindUnavailable, "The speech engine %s has a problem. Try again later.", c.Engine).WithCode(CodeBusy)
	case status == http.StatusUnauthorized:
		return invalid(CodeKey, "The speech engine %s does not accept the key of this server. The operator must set a good one; then retry the job.")
	case status == http.StatusPaymentRequired:
		return Unpaid(c.Engine)
	case status == http.StatusForbidden:
		return invalid(CodeForbidden, "The speech engine %s does not let this server use the model. The operator must choose another one, or a key that may; then retry the job.")
	case status == http.StatusRequestEntityTooLarge:
		return invalid("too_long", "The sound is larger than the speech engine %s takes. The operator must set its limit; then make a new job.")
	case status == http.StatusBadRequest, status == http.StatusUnsupportedMediaType, status == http.StatusUnprocessableEntity:
		return invalid(CodeRejected, "The speech engine %s did not accept the request. Choose another engine or other options, or ask the operator to look into the log.")
	default:
		return invalid(CodeAddress, "There is no speech engine %s at the address that is set, or not that model. The operator must check both; then retry the job.")
	}
}

// Unpaid returns the error for a service that wants money first.
func Unpaid(engine string) *caption.Error {
	return caption.Errorf(caption.KindInvalid, "The credit of this server at the speech engine %s is used up. The operator must renew it; then retry the job.", engine).
		WithCode(CodePayment)
}

// UnknownLanguage returns the error for a language that a service does not know, whose list we do not have.
func (c *Client) UnknownLanguage(tag string, a Answer, detail string) *caption.Error {
	return caption.Errorf(caption.KindInvalid, "The speech engine %s does not know the language %.35q. Choose another language or another engine.", c.Engine, tag).
		WithCode("language_unsupported").WithCause(fmt.Errorf("status %d: %s", a.Status, c.clean(detail)))
}

// Broken returns the error for a success that cannot be used.
func (c *Client) Broken(err error) *caption.Error {
	return caption.Errorf(caption.KindUnavailable, "The speech engine %s gave an answer that cannot be read. Try again.", c.Engine).
		WithCode(CodeFailed).WithCause(errors.New(c.clean(err.Error())))
}

func (c *Client) unreachable(err error) *caption.Error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the address, which holds what users asked for
	}
	return caption.Errorf(caption.KindUnavailable, "The speech engine %s does not answer. Try again later.", c.Engine).
		WithCode(CodeUnreachable).WithCause(err)
}

// retryAfter returns what the header says, at most [maxRetryAfter]; 0 where it says nothing.
func (c *Client) retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	var d time.Duration
	if seconds, err := strconv.ParseFloat(v, 64); err == nil {
		d = time.Duration(min(max(seconds, 0), maxRetryAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(c.Now())
	}
	return min(max(d, 0), maxRetryAfter)
}

// clean makes a service's own text fit for the log: without the key, on one line, and short.
func (c *Client) clean(text string) string {
	if c.Key != "" {
		text = strings.ReplaceAll(text, c.Key, "[key]")
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > maxDetail {
		return string(runes[:maxDetail]) + "…"
	}
	return string(runes)
}
