package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel"
)

// TestAPageReplacesTheLastOneOnlyWhenItIsComplete also looks for what is left in the folder.
func TestAPageReplacesTheLastOneOnlyWhenItIsComplete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	content := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, failed := io.WriteString(w, text)
			return errors.Join(failed, err)
		}
	}
	p, err := newPage(path)
	require.NoError(t, err)
	require.NoError(t, p.write(content("first", nil)))
	p.discard()

	p, err = newPage(path)
	require.NoError(t, err)
	require.ErrorContains(t, p.write(content("half", errors.New("no more"))), "report.html: no more")
	p.discard()

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "first", string(text))
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestAPlaceThatCannotBeWrittenIsToldBeforeTheRun(t *testing.T) {
	_, err := newPage(filepath.Join(t.TempDir(), "nowhere", "report.html"))
	require.ErrorContains(t, err, "nowhere/report.html")
	_, err = newPage(t.TempDir())
	require.ErrorContains(t, err, "is not a file")
	none, err := newPage("")
	require.NoError(t, err)
	require.NoError(t, none.write(nil), "none was asked for")
	none.discard()
}

func TestOneFormAtATime(t *testing.T) {
	parser, err := kong.New(&cli{})
	require.NoError(t, err)
	_, err = parser.Parse([]string{"run", "quiet-day", "--json", "--csv"})
	require.ErrorContains(t, err, "can't be used together")
}

func TestPoliciesAreComparedWithTheFirst(t *testing.T) {
	parse := func(policies ...string) ([]windtunnel.Policy, error) {
		commands := &cli{}
		parser, err := kong.New(commands)
		require.NoError(t, err)
		args := []string{"compare", "quiet-day"}
		for _, p := range policies {
			args = append(args, "--policy", p)
		}
		_, err = parser.Parse(args)
		require.NoError(t, err)
		return commands.Compare.policies()
	}
	policies, err := parse("today=b", "a tomorrow=b,c")
	require.NoError(t, err)
	require.Equal(t, []windtunnel.Policy{{Name: "today", Manifests: []string{"b"}}, {Name: "a tomorrow", Manifests: []string{"b", "c"}}}, policies)
	_, err = parse("today")
	require.ErrorContains(t, err, `expected NAME=DIR or NAME=DIR,DIR, found "today"`)
	_, err = parse("a=b", "a=c")
	require.ErrorContains(t, err, "a is given twice")
}
