package speechtest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/speech/speechtest"
)

func TestWER(t *testing.T) {
	for _, c := range []struct {
		ref, hyp string
		want     float64
	}{
		{"", "", 0},
		{"", "word", 1},
		{"one two three four", "", 1},
		{"one two three four", "one two three four", 0},
		{"One, two: three! (Four)", "one two three four", 0},
		{"don’t 'quote'", "don't quote", 0},
		{"one two three four", "one two four", 0.25},
		{"one two three four", "one two three and four", 0.25},
		{"one two three four", "one too three four", 0.25},
		{"one two three four", "two three four five", 0.5},
		{"one", "two three four", 3},
	} {
		require.InDelta(t, c.want, speechtest.WER(strings.Fields(c.ref), strings.Fields(c.hyp)), 1e-9, "%q %q", c.ref, c.hyp)
		require.InDelta(t, c.want, speechtest.WER([]string{c.ref}, []string{c.hyp}), 1e-9, "as whole texts: %q %q", c.ref, c.hyp)
	}
}
