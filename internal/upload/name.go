package upload

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is how long the name of a video may be, in bytes.
const maxName = 255

// cleanName makes a name that can be shown and offered for saving anywhere out of what a client sends: no folders, no control
// characters, none that change the direction of text to pass one ending off as another, and not too long.
func cleanName(s string) string {
	s = strings.ToValidUTF8(s, "")
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\ufeff' || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, s))
	if ext := path.Ext(s); len(s) > maxName && len(ext) <= 16 {
		s = cut(strings.TrimSuffix(s, ext), maxName-len(ext)) + ext
	}
	s = strings.TrimSpace(cut(s, maxName))
	if strings.Trim(s, ".") == "" {
		return "untitled"
	}
	return s
}

// cut cuts s to at most n bytes, and not within a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// mediaType is the type that a browser is told for playing, by the ending of the name. It never is one that a browser would run.
func mediaType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".mp4", ".m4v", ".mov": // Browsers play the latter if they are told that it is the former.
		return "video/mp4"
	case ".webm":
		return "video/webm"
	case ".mkv":
		return "video/x-matroska"
	case ".avi":
		return "video/x-msvideo"
	case ".ts", ".mts", ".m2ts":
		return "video/mp2t"
	case ".mp3":
		return "audio/mpeg"
	case ".m4a":
		return "audio/mp4"
	case ".wav":
		return "audio/wav"
	case ".flac":
		return "audio/flac"
	case ".ogg", ".oga", ".opus":
		return "audio/ogg"
	}
	return "application/octet-stream"
}

// amount says a number of bytes as people do.
func amount(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(unit.size)), ".0") + " " + unit.name
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
