// Package eventstest is the conformance suite of [caption.Events], [caption.Tickets] and [caption.Limiter]: what every
// adapter of them must do, whatever it is made of.
package eventstest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// Features says what is particular to an adapter.
type Features struct {
	// VirtualTime: it does no input or output, so that time need not pass for its tests. They run in a bubble of
	// testing/synctest then; else a second is a second.
	VirtualTime bool
}

// patience is how long something that must happen may take before a test gives up on it.
const patience = 30 * time.Second

func run[T any](t *testing.T, f Features, open func(t *testing.T) T, tests map[string]func(*testing.T, T)) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if f.VirtualTime {
				synctest.Test(t, func(t *testing.T) { test(t, open(t)) })
			} else {
				test(t, open(t))
			}
		})
	}
}

func requireKind(t *testing.T, want caption.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, caption.KindOf(err), "%v", err)
}
