package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the fixtures say, and words of it that the engine always hears.
const (
	talkText  = "The children walked along the river in the morning. They found an old wooden boat under the bridge."
	shortText = "The train leaves the station at seven in the evening."
	tinyText  = "Good evening."
	longText  = "A farmer opened the gate and led the horses to the field. It was a cold day in winter, and the ground was hard. " +
		"After lunch the family went to the market. They bought bread, butter and a basket of apples. " +
		"In the evening the teacher read a story to the students. Everyone listened until the lights went out. " +
		"The next morning the captain looked at the sky and decided to wait. The wind was strong, and the harbor was full of ships. " +
		"When the rain stopped the boys played football in the street. Their mother called them home for dinner."
)

var (
	talkWords  = []string{"children", "river", "morning", "wooden", "bridge"}
	shortWords = []string{"train", "evening"} // after every codec
	tinyWords  = []string{"evening"}
	longWords  = []string{"horses", "winter", "market", "teacher", "morning", "street"}
)

// fixtures makes files once and keeps them for the whole run.
type fixtures struct {
	dir string

	mu    sync.Mutex
	files map[string]string // by name
}

// recipes say how a fixture is made by ffmpeg of others; those in spoken are made by flite.
var recipes = map[string]struct {
	of   string // fixture that is the first input; empty: none
	args []string
}{
	"talk.mp4":    {"talk.wav", []string{"-f", "lavfi", "-i", testPicture, "-shortest", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"}},
	"short.mp4":   {"short.wav", []string{"-f", "lavfi", "-i", testPicture, "-shortest", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"}},
	"tiny.mp4":    {"tiny.wav", []string{"-f", "lavfi", "-i", testPicture, "-shortest", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"}},
	"long.mp4":    {"long.wav", []string{"-f", "lavfi", "-i", testPicture, "-shortest", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"}},
	"short.mov":   {"short.wav", []string{"-f", "lavfi", "-i", testPicture, "-shortest", "-c:v", "mpeg4", "-c:a", "pcm_s16le"}},
	"short.mkv":   {"short.wav", []string{"-f", "lavfi", "-i", testPicture, "-shortest", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "libvorbis"}},
	"short.webm":  {"short.wav", []string{"-f", "lavfi", "-i", testPicture, "-shortest", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"}},
	"short.avi":   {"short.wav", []string{"-f", "lavfi", "-i", testPicture, "-shortest", "-c:v", "mpeg4", "-c:a", "libmp3lame"}},
	"short.ts":    {"short.wav", []string{"-f", "lavfi", "-i", testPicture, "-shortest", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-f", "mpegts"}},
	"short.mp3":   {"short.wav", []string{"-c:a", "libmp3lame"}},
	"short.m4a":   {"short.wav", []string{"-c:a", "aac"}},
	"short.flac":  {"short.wav", []string{"-c:a", "flac", "-ar", "44100", "-ac", "2"}},
	"short.ogg":   {"short.wav", []string{"-c:a", "libvorbis"}},
	"short.opus":  {"short.wav", []string{"-c:a", "libopus"}},
	"big.avi":     {"talk.wav", []string{"-f", "lavfi", "-i", "testsrc=size=640x480:rate=10", "-shortest", "-c:v", "rawvideo", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le"}},
	"mute.mp4":    {"", []string{"-f", "lavfi", "-i", testPicture, "-t", "2", "-c:v", "libx264", "-preset", "ultrafast"}},
	"silence.mp4": {"", []string{"-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-f", "lavfi", "-i", testPicture, "-t", "2", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"}},
	"locked.mp4": {"short.wav", []string{"-f", "lavfi", "-i", testPicture, "-shortest", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
		"-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "00112233445566778899aabbccddeeff", "-encryption_kid", "112233445566778899aabbccddeeff00"}},
}

const testPicture = "testsrc=size=160x120:rate=10"

var spoken = map[string]string{"talk.wav": talkText, "short.wav": shortText, "tiny.wav": tinyText, "long.wav": longText}

// file returns the path of a fixture, and makes it where it is the first to ask.
func (f *fixtures) file(t testing.TB, name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, err := f.make(name)
	require.NoError(t, err)
	return path
}

// bytes returns the content of a fixture.
func (f *fixtures) bytes(t testing.TB, name string) []byte {
	b, err := os.ReadFile(f.file(t, name))
	require.NoError(t, err)
	return b
}

func (f *fixtures) make(name string) (string, error) {
	if path, ok := f.files[name]; ok {
		return path, nil
	}
	path := filepath.Join(f.dir, name)
	var cmd *exec.Cmd
	if text, ok := spoken[name]; ok {
		cmd = exec.Command("flite", "-voice", "rms", "-t", text, "-o", path)
	} else {
		r, ok := recipes[name]
		if !ok {
			return "", fmt.Errorf("there is no recipe for %s", name)
		}
		args := []string{"-nostdin", "-v", "error", "-y"}
		if r.of != "" {
			in, err := f.make(r.of)
			if err != nil {
				return "", err
			}
			args = append(args, "-i", in)
		}
		cmd = exec.Command("ffmpeg", append(append(args, r.args...), path)...)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make %s: %w: %s", name, err, out)
	}
	f.files[name] = path
	return path, nil
}
