package media_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media"
	"k8s-scalers/internal/media/pcm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Inputs of ffmpeg. The tone is loud for half of every second, so that positions in it can be told.
const (
	picture = "testsrc=s=160x120:r=10:d=6"
	tone    = "aevalsrc='0.5*sin(2*PI*440*t)*lt(mod(t,1),0.5)':s=44100:d=6"
)

// ffmpeg makes a file with the arguments, of which the last is the file's name, and returns its path.
func ffmpeg(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), args[len(args)-1])
	args = append([]string{"-nostdin", "-v", "error", "-y"}, append(args[:len(args)-1:len(args)-1], path)...)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput()
	require.NoError(t, err, "ffmpeg %v: %s", args, out)
	return path
}

// lavfi are the arguments for sources that ffmpeg generates.
func lavfi(sources ...string) []string {
	var args []string
	for _, s := range sources {
		args = append(args, "-f", "lavfi", "-i", s)
	}
	return args
}

// clip makes a file of picture and tone.
func clip(t *testing.T, args ...string) string {
	t.Helper()
	return ffmpeg(t, append(lavfi(picture, tone), args...)...)
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func half(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return write(t, "half-"+filepath.Base(path), b[:len(b)/2])
}

// listen probes and extracts the file and returns the whole sound.
func listen(t *testing.T, path string, opt media.ExtractOptions) []byte {
	t.Helper()
	sound, _, err := tryListen(t.Context(), path, opt)
	require.NoError(t, err)
	return sound
}

func tryListen(ctx context.Context, path string, opt media.ExtractOptions) ([]byte, caption.Millis, error) {
	info, err := media.Probe(ctx, path)
	if err != nil {
		return nil, 0, err
	}
	var sound bytes.Buffer
	length, err := media.Extract(ctx, path, info, opt, func(s media.Segment) error {
		sound.Write(s.PCM)
		return nil
	})
	return sound.Bytes(), length, err
}

// loud returns when the sound first becomes loud, and how much of it is loud.
func loud(t *testing.T, sound []byte) (first, total caption.Millis) {
	t.Helper()
	first = -1
	for i, l := range pcm.Levels(sound) {
		if l > 50 {
			if first < 0 {
				first = pcm.FrameTime(i)
			}
			total += pcm.FrameMillis
		}
	}
	return first, total
}
