package subtitle_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asticode/go-astisub"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/subtitle"
)

// foreign are cues as they come out of real speech, and some with characters that mean something in a file.
func foreign(t *testing.T) []caption.Cue {
	p, err := subtitle.ProfileNamed("netflix")
	require.NoError(t, err)
	english, err := os.ReadFile("testdata/english.txt")
	require.NoError(t, err)
	cues := subtitle.Cut(append(speak(string(english)), caption.Word{Text: "The end.", Start: 3_700_001, End: 3_701_234}), p)
	at := cues[len(cues)-1].End
	for i, text := range []string{"I <3 R&D at AT&T,\n5 < 6", "naïve 東京 🎬", "1984", "- No.\n- Yes."} {
		start := at + caption.Millis(1000*(i+1))
		cues = append(cues, caption.Cue{Start: start, End: start + 900, Text: text})
	}
	return cues
}

func TestFFmpegReadsTheSameCues(t *testing.T) {
	cues := foreign(t)
	last := cues[len(cues)-1].End
	cues = append(cues, caption.Cue{Start: last + 100, End: last + 200, Text: "6 > 5"}) // Astisub does not decode the "&gt;" of WebVTT.
	want := unlabelled(cues, strings.NewReplacer())
	dir := t.TempDir()
	for _, tc := range []struct {
		format, other, muxer string
		read                 func([]byte) ([]caption.Cue, error)
	}{
		{"srt", "vtt", "webvtt", func(b []byte) ([]caption.Cue, error) { return subtitle.ReadVTT(bytes.NewReader(b)) }},
		{"vtt", "srt", "srt", func(b []byte) ([]caption.Cue, error) { return subtitle.ReadSRT(bytes.NewReader(b)) }},
	} {
		var b bytes.Buffer
		require.NoError(t, subtitle.Write(&b, tc.format, caption.Transcript{Cues: cues}, subtitle.Options{}))
		file := filepath.Join(dir, "x."+tc.format)
		require.NoError(t, os.WriteFile(file, b.Bytes(), 0o600))
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "warning", "-i", file, "-f", tc.muxer, "-")
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, stderr.String())
		require.Empty(t, stderr.String())
		got, err := tc.read(out)
		require.NoError(t, err, string(out))
		require.Equal(t, want, got, "%s to %s", tc.format, tc.other)
	}
}

func TestAstisubReadsTheSameCues(t *testing.T) {
	cues := foreign(t)
	var srt, vtt bytes.Buffer
	require.NoError(t, subtitle.WriteSRT(&srt, cues, subtitle.Options{}))
	require.NoError(t, subtitle.WriteVTT(&vtt, cues, subtitle.Options{Speakers: true}))
	fromSRT, err := astisub.ReadFromSRT(&srt)
	require.NoError(t, err)
	require.Equal(t, unlabelled(cues, strings.NewReplacer()), fromAstisub(fromSRT))
	fromVTT, err := astisub.ReadFromWebVTT(&vtt)
	require.NoError(t, err)
	require.Equal(t, cues, fromAstisub(fromVTT))
}

func TestReadsWhatAstisubWrites(t *testing.T) {
	cues := foreign(t)
	var vtt, out bytes.Buffer
	require.NoError(t, subtitle.WriteVTT(&vtt, cues, subtitle.Options{}))
	s, err := astisub.ReadFromWebVTT(&vtt)
	require.NoError(t, err)
	require.NoError(t, s.WriteToSRT(&out))
	got, err := subtitle.ReadSRT(&out)
	require.NoError(t, err)
	require.Equal(t, unlabelled(cues, strings.NewReplacer()), got)
	out.Reset()
	require.NoError(t, s.WriteToWebVTT(&out))
	got, err = subtitle.ReadVTT(&out)
	require.NoError(t, err)
	require.Equal(t, unlabelled(cues, strings.NewReplacer()), got)
}

func fromAstisub(s *astisub.Subtitles) []caption.Cue {
	var cues []caption.Cue
	for _, item := range s.Items {
		c := caption.Cue{Start: caption.MillisOf(item.StartAt), End: caption.MillisOf(item.EndAt)}
		var lines []string
		for _, line := range item.Lines {
			var text strings.Builder
			for _, part := range line.Items {
				text.WriteString(part.Text)
			}
			if text.Len() > 0 { // It takes the blank line that ends an SRT file for text.
				lines = append(lines, text.String())
			}
			if line.VoiceName != "" {
				c.Speaker = line.VoiceName
			}
		}
		c.Text = strings.Join(lines, "\n")
		cues = append(cues, c)
	}
	return cues
}
