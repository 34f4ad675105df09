// Package awaittest waits in tests for what controllers bring about. How long anything takes is no condition: patience is an
// end to waiting.
package awaittest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Holds looks until a condition holds, with a pause between two looks. What is required in the condition ends the look, not the
// test; when patience ends, the test fails with what was found wrong last.
func Holds(t *testing.T, patience, pause time.Duration, condition func(context.Context, require.TestingT)) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(pause) {
		wrong := look(t.Context(), condition)
		if wrong == "" {
			return
		}
		if time.Now().After(end) || t.Context().Err() != nil {
			require.Fail(t, "in vain", "%s", wrong)
		}
	}
}

// look looks once, and returns what is wrong; nothing when the condition holds.
func look(ctx context.Context, condition func(context.Context, require.TestingT)) (wrong string) {
	var a attempt
	defer func() {
		switch r := recover().(type) {
		case nil, failed:
			wrong = a.wrong
		default:
			panic(r)
		}
	}()
	condition(ctx, &a)
	return a.wrong
}

// attempt is one look.
type attempt struct{ wrong string }

// failed is what ends a look.
type failed struct{}

// Errorf implements [require.TestingT].
func (a *attempt) Errorf(format string, args ...any) { a.wrong = fmt.Sprintf(format, args...) }

// FailNow implements [require.TestingT].
func (a *attempt) FailNow() { panic(failed{}) }
