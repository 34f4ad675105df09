package upload

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestCleanName(t *testing.T) {
	for in, want := range map[string]string{
		"lecture.mp4":            "lecture.mp4",
		"/etc/passwd":            "passwd",
		`..\..\windows\system32`: "system32",
		"../..":                  "untitled",
		"":                       "untitled",
		".":                      "untitled",
		"a/":                     "untitled",
		"  spaced .mp4 ":         "spaced .mp4",
		"two\r\nlines\x00.mp4":   "twolines.mp4",
		"\u202egpj.4pm":          "gpj.4pm",
		"bad\xff\xfeutf8.mp4":    "badutf8.mp4",
		"Vorlesung über Füße ☃ 👩‍🏫.mp4":      "Vorlesung über Füße ☃ 👩‍🏫.mp4",
		"<script>alert(1)</script>":          "script>",
		strings.Repeat("ü", 200) + ".mp4":    strings.Repeat("ü", 125) + ".mp4",
		"x." + strings.Repeat("long", 100):   "x." + strings.Repeat("long", 63) + "l",
		strings.Repeat("a", 300):             strings.Repeat("a", 255),
		strings.Repeat(" ", 300) + "end.mp4": "end.mp4",
	} {
		require.Equal(t, want, cleanName(in), "%q", in)
	}
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"a.mp4", "../x", "\x00", strings.Repeat("ü", 300), "\xff/\xfe.", strings.Repeat("a", 254) + " .b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := cleanName(s)
		require.NotEmpty(t, got)
		require.LessOrEqual(t, len(got), maxName)
		require.True(t, utf8.ValidString(got))
		require.False(t, strings.ContainsAny(got, `/\`))
		require.False(t, strings.ContainsFunc(got, unicode.IsControl))
		require.Equal(t, got, cleanName(got), "cleaning again changes nothing")
	})
}

func TestMediaTypeIsNeverActive(t *testing.T) {
	for name, want := range map[string]string{
		"a.MP4": "video/mp4", "a.mov": "video/mp4", "a.mkv": "video/x-matroska", "a.opus": "audio/ogg",
		"a.html": "application/octet-stream", "a.svg": "application/octet-stream", "a": "application/octet-stream", ".mp4": "video/mp4",
	} {
		require.Equal(t, want, mediaType(name), name)
	}
}

func TestPartSizes(t *testing.T) {
	s := New(Deps{})
	for _, c := range []struct {
		size, want int64
		parts      int
	}{
		{1, 16 << 20, 1},
		{16 << 20, 16 << 20, 1},
		{16<<20 + 1, 16 << 20, 2},
		{160_000 << 20, 16 << 20, 10_000},
		{160_000<<20 + 1, 17 << 20, 9412},
		{1 << 40, 105 << 20, 9987},
		{10_000 * maxPart, maxPart, 10_000},
	} {
		v := videoOf(c.size, s.partSize(c.size))
		require.Equal(t, c.want, v.PartSize, "%d", c.size)
		require.Equal(t, c.parts, partCount(v), "%d", c.size)
		var sum int64
		for n := 1; n <= partCount(v); n++ {
			require.Positive(t, partLength(v, n))
			sum += partLength(v, n)
		}
		require.Equal(t, c.size, sum)
		require.EqualValues(t, -1, partLength(v, 0))
		require.EqualValues(t, -1, partLength(v, partCount(v)+1))
	}
}

func TestAmount(t *testing.T) {
	for n, want := range map[int64]string{1: "1 bytes", 1 << 10: "1 KiB", 3 << 29: "1.5 GiB", 20 << 30: "20 GiB", 2 << 40: "2 TiB"} {
		require.Equal(t, want, amount(n))
	}
}
