package media_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media"
	"k8s-scalers/internal/media/pcm"
)

// Sound that is loud for seven seconds, then silent for one, is cut in its silences only.
func TestSegments(t *testing.T) {
	const talk = "aevalsrc='0.5*sin(2*PI*440*t)*lt(mod(t,8),7)':s=16000:d=125"
	path := ffmpeg(t, append(lavfi(talk), "x.wav")...)
	info, err := media.Probe(t.Context(), path)
	require.NoError(t, err)
	want := ffmpegSound(t, path)
	for _, target := range []caption.Millis{20000, 30000, 60000, 200000} {
		var joined bytes.Buffer
		var last media.Segment
		var progress caption.Millis
		opt := media.ExtractOptions{Segment: target, Progress: func(done caption.Millis) { progress = done }}
		length, err := media.Extract(t.Context(), path, info, opt, func(s media.Segment) error {
			require.Equal(t, s.End-s.Start, pcm.Duration(int64(len(s.PCM))))
			require.Equal(t, last.End, s.Start, "segments touch")
			if s.Index > 0 {
				require.Equal(t, last.Index+1, s.Index)
				require.Greater(t, int(s.Start%8000), 7000, "segment %d starts at %s, within a word", s.Index, s.Start.Duration())
				require.GreaterOrEqual(t, last.End-last.Start, target*2/3)
			}
			require.LessOrEqual(t, s.End-s.Start, target*4/3)
			joined.Write(s.PCM)
			last = s
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, caption.Millis(125000), length)
		require.Equal(t, length, last.End)
		require.Equal(t, length, progress)
		require.True(t, bytes.Equal(want, joined.Bytes()), "no sample is lost or repeated")
	}
}

// Without silence, the cut is where the sound is quietest.
func TestSegmentsWithoutSilence(t *testing.T) {
	path := ffmpeg(t, append(lavfi("aevalsrc='sin(2*PI*440*t)*if(between(mod(t,20),17,17.3),0.25,0.4)':s=16000:d=50"), "x.wav")...)
	info, err := media.Probe(t.Context(), path)
	require.NoError(t, err)
	var starts []caption.Millis
	_, err = media.Extract(t.Context(), path, info, media.ExtractOptions{Segment: 18000}, func(s media.Segment) error {
		starts = append(starts, s.Start)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, starts, 3)
	for i, start := range starts[1:] {
		require.InDelta(t, 17150+20000*i, int(start), 120)
	}
}

func TestWhole(t *testing.T) {
	path := clip(t, "-c:v", "libx264", "-c:a", "aac", "x.mp4")
	info, err := media.Probe(t.Context(), path)
	require.NoError(t, err)
	folder := t.TempDir()
	segments := 0
	length, err := media.Extract(t.Context(), path, info, media.ExtractOptions{Whole: true, TempDir: folder}, func(s media.Segment) error {
		segments++
		require.Nil(t, s.PCM)
		require.Zero(t, s.Start)
		f, err := os.Open(s.File)
		require.NoError(t, err)
		defer func() { require.NoError(t, f.Close()) }()
		size, err := pcm.ReadHeader(f)
		require.NoError(t, err)
		require.Equal(t, s.End, pcm.Duration(size))
		stat, err := f.Stat()
		require.NoError(t, err)
		require.Equal(t, pcm.WAVSize(size), stat.Size())
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, segments)
	require.InDelta(t, 6000, int(length), 100)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left)
}

func ffmpegSound(t *testing.T, path string) []byte {
	t.Helper()
	raw := ffmpeg(t, "-i", path, "-f", "s16le", "-ac", "1", "-ar", "16000", "x.raw")
	b, err := os.ReadFile(raw)
	require.NoError(t, err)
	return b
}
