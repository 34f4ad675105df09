package lint

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/manifest"
)

// TestNoManifestIsTooBroken leaves out each line of each bad manifest in turn, and puts a value of another type into each:
// there is an error or there are findings that can be looked up, and no rule takes a field for granted.
func TestNoManifestIsTooBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*/*.yaml")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "a.yaml")
	read, refused := 0, 0
	try := func(lines []string) {
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
		objects, err := manifest.Load(path)
		if err != nil {
			refused++
			return
		}
		read++
		findings := Check(objects)
		require.NoError(t, Write(io.Discard, findings))
		for _, f := range findings {
			for _, p := range f.Places {
				require.Equal(t, path, p.Position.File)
			}
		}
		Unknown(objects)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		lines := strings.Split(string(text), "\n")
		for i, line := range lines {
			try(slices.Delete(slices.Clone(lines), i, i+1))
			key, _, ok := strings.Cut(line, ":")
			for _, value := range []string{" 7", " [x]", " {x: y}", " null"} {
				if ok {
					try(slices.Replace(slices.Clone(lines), i, i+1, key+":"+value))
				}
			}
		}
	}
	require.Greater(t, read, 1000)
	require.Positive(t, refused)
}
