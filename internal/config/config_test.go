package config

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func TestLoadListsEveryMistakeByTheNameOfItsSetting(t *testing.T) {
	t.Setenv("CAPTIONS_WORKERS", "many")
	t.Setenv("CAPTIONS_MAX_FILE_SIZE", "lots")
	t.Setenv("CAPTIONS_VISIBILITY", "5")
	var s Serve
	err := Load(&s)
	require.Equal(t, "bad_settings", caption.CodeOf(err))
	for _, want := range []string{"CAPTIONS_WORKERS=many: it must be a whole number", `CAPTIONS_MAX_FILE_SIZE=lots: "lots" is not a size`,
		"CAPTIONS_VISIBILITY=5: it must be a time such as"} {
		require.ErrorContains(t, err, want)
	}
}

func TestDefaults(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/somewhere")
	var s Serve
	require.NoError(t, Load(&s))
	require.NoError(t, s.Normalise())
	require.Equal(t, "localhost:8080", s.Addr)
	require.Equal(t, "/somewhere/captions", s.DataDir)
	require.Equal(t, runtime.GOMAXPROCS(0), s.Workers)
	require.Equal(t, 2*s.Workers, s.Window)
	require.Equal(t, Bytes(20<<30), s.MaxFileSize)
	require.Equal(t, time.Minute, s.SegmentLength)
}

func TestSettingsOutOfRangeAreRefused(t *testing.T) {
	for name, set := range map[string]func(*Serve){
		"CAPTIONS_SEGMENT_LENGTH": func(s *Serve) { s.SegmentLength = time.Second },
		"CAPTIONS_VISIBILITY":     func(s *Serve) { s.Visibility = time.Millisecond },
	} {
		var s Serve
		require.NoError(t, Load(&s))
		s.DataDir = "/somewhere"
		set(&s)
		require.ErrorContains(t, s.Normalise(), name)
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "17": 17, "5 MB": 5e6, "20GiB": 20 << 30, "1TiB": 1 << 40, "12B": 12} {
		var b Bytes
		require.NoError(t, b.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, b, text)
	}
	for _, text := range []string{"", "GiB", "-1", "5 parsecs", "99999999999TiB", "1e9", "99999999999999999999"} {
		var b Bytes
		require.Error(t, b.UnmarshalText([]byte(text)), text)
	}
}

func TestReferenceNamesEverySettingAndIsUpToDate(t *testing.T) {
	var b strings.Builder
	require.NoError(t, WriteReference(&b))
	require.Contains(t, b.String(), "| `CAPTIONS_ADDR` | `localhost:8080` |")
	require.NotContains(t, b.String(), "|  |\n", "every setting has a meaning")
	committed, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	require.Equal(t, b.String(), string(committed), "run: make generate")
}
