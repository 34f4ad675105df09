//go:build autoscalers

package proof_test

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/internal/programs"
)

func TestMain(m *testing.M) {
	// Policies are proven all at the same time: they mostly wait. The command line may say otherwise.
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	code := m.Run()
	times.print()
	os.Exit(code)
}

// times is what builds and proofs took.
var times ledger

type ledger struct {
	mu      sync.Mutex
	entries []entry
}

type entry struct {
	what, name string
	took       time.Duration
}

func (l *ledger) add(what, name string, begin time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.entries, func(e entry) bool { return e.what == what && e.name == name }) {
		l.entries = append(l.entries, entry{what, name, time.Since(begin)})
	}
}

func (l *ledger) print() {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Println("\nwhat took how long")
	for _, what := range []string{"build", "proof"} {
		for _, e := range l.entries {
			if e.what == what {
				fmt.Printf("  %s %-32s %8.1f s\n", what, e.name, e.took.Seconds())
			}
		}
	}
}

// proof notes how long a test takes.
func proof(t *testing.T) {
	begin := time.Now()
	t.Cleanup(func() { times.add("proof", strings.TrimPrefix(t.Name(), "Test"), begin) })
}

// build returns the path of a program.
func build(t *testing.T, p programs.Program) string {
	t.Helper()
	begin := time.Now()
	path, err := p.Build(t.Context(), slog.Default())
	require.NoError(t, err)
	times.add("build", p.Name, begin)
	return path
}
