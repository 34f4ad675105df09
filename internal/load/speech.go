package load

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
)

// text is what the voice in made videos says, over and over.
const text = `The harbour is quiet early in the morning. Fishermen mend their nets beside the old stone wall, and the first boats
come home before the sun is high. In the market the women sell bread, apples and cheese from wooden carts. A boy carries
two baskets of eggs to the hotel on the hill, where the cook has been awake for hours. By noon the square is full of
people who talk about the weather and the price of corn. When evening comes the shops close one after the other, and
only the lamp at the end of the pier still burns for those who are late.`

// MakeClips makes videos of the given lengths in a folder, in which a synthetic voice speaks all the time. It needs flite and ffmpeg.
func MakeClips(ctx context.Context, dir string, lengths []time.Duration) ([]string, error) {
	voice := filepath.Join(dir, "voice.wav")
	if err := tool(ctx, "flite", "-voice", "rms", "-t", strings.Join(strings.Fields(text), " "), "-o", voice); err != nil {
		return nil, err
	}
	var clips []string
	for i, length := range lengths {
		if length < time.Second {
			return nil, invalid("A video of %s is too short; make it at least 1s.", length)
		}
		clip := filepath.Join(dir, fmt.Sprintf("speech-%d.mp4", i+1))
		seconds := fmt.Sprintf("%.3f", length.Seconds())
		if err := tool(ctx, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=5",
			"-stream_loop", "-1", "-i", voice, "-t", seconds, "-map", "0:v", "-map", "1:a",
			"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-b:a", "64k", clip); err != nil {
			return nil, err
		}
		clips = append(clips, clip)
	}
	return clips, nil
}

func tool(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return caption.Errorf(caption.KindUnavailable, "%s is missing, which speech videos are made with. Install it (Debian: apt install %s), or name files of your own.", name, name)
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("make a speech video: %s: %w: %s", name, err, out)
	}
	return nil
}
