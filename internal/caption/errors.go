package caption

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what a caller can do about an error. Package httpapi maps each kind to one HTTP status.
type Kind string

// The kinds of error.
const (
	KindInternal        Kind = "internal"            // a fault of ours; its text never reaches a user
	KindInvalid         Kind = "invalid"             // the input is wrong; the message says how to mend it
	KindUnauthenticated Kind = "unauthenticated"     // no credentials, or bad ones
	KindForbidden       Kind = "forbidden"           // known caller, not allowed
	KindNotFound        Kind = "not_found"           // does not exist, or is another user's
	KindConflict        Kind = "conflict"            // the state of the thing does not allow it
	KindPrecondition    Kind = "precondition_failed" // the caller's version (ETag) is not the current one
	KindTooLarge        Kind = "too_large"           // over a size limit or a quota
	KindRateLimited     Kind = "rate_limited"        // too often; RetryAfter says when again
	KindUnavailable     Kind = "unavailable"         // a backend is away; trying again may work
)

// Error is the one error type that crosses package borders with a meaning.
type Error struct {
	Kind Kind
	// Code names the exact cause for programs, in snake_case, for example "no_audio". Empty means that the kind says it all.
	Code string
	// Message is for the user: what happened and what to do. It never contains internal text.
	Message string
	// RetryAfter is how long to wait before another try; 0 where it is not known.
	RetryAfter time.Duration
	// Err is the cause, for the log only.
	Err error
}

func (e *Error) Error() string {
	s := string(e.Kind)
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	s += ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an error of a kind with a message for the user.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// WithCode sets the code and returns e.
func (e *Error) WithCode(code string) *Error { e.Code = code; return e }

// WithCause sets the cause, which is for the log only, and returns e.
func (e *Error) WithCause(err error) *Error { e.Err = err; return e }

// KindOf returns the kind of the first [Error] in err's chain, and [KindInternal] where there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}

// CodeOf returns the code of the first [Error] in err's chain, or "".
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}
