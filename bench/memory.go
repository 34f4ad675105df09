package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// block is the length of what the long video repeats.
const block = 5 * time.Minute

// measureMemory captions a short and a long video and compares the peak resident memory of the program's own process;
// that of ffmpeg and of the engine's processes does not count. What would grow with the length is the sound, the words
// and the cues; the time is spent on speech, so one tenth of the video is speech unless the full measurement is asked for.
func measureMemory(ctx context.Context, l *lab) ([]row, error) {
	short, long := 20*time.Minute, 3*time.Hour
	if l.quick {
		short, long = 10*time.Minute, 30*time.Minute
	}
	said := block / 10
	if l.full {
		said = block - pause
	}
	t, err := l.talk(ctx, said)
	if err != nil {
		return nil, err
	}
	t.sound = append(t.sound, silence(block)...)[:sampleAt(block.Seconds())]
	peaks := map[time.Duration]int64{}
	for _, length := range []time.Duration{short, long} {
		sound := make([]io.Reader, length/block)
		for i := range sound {
			sound[i] = bytes.NewReader(t.sound)
		}
		video, err := l.video(ctx, fmt.Sprintf("%.0f-minutes.mkv", length.Minutes()), 1, length, io.MultiReader(sound...))
		if err != nil {
			return nil, err
		}
		if peaks[length], err = l.peak(ctx, video); err != nil {
			return nil, err
		}
		l.logf("%s of video: peak of %s", length, megabytes(peaks[length]))
	}
	peak, flat := peaks[long], float64(peaks[long])/float64(peaks[short])
	what := fmt.Sprintf("memory of our process, %s of video", span(long))
	return []row{
		{what, "–", "≤ 150 MB", megabytes(peak), verdictOf(peak <= 150e6)},
		// What the garbage collector leaves varies by some megabytes from run to run; growth with the length would be manifold.
		{what, fmt.Sprintf("%s of video: %s", span(short), megabytes(peaks[short])), "flat: ≤ 1.25 times", fmt.Sprintf("%.2f times", flat), verdictOf(flat <= 1.25)},
	}, nil
}

func span(d time.Duration) string {
	if d >= time.Hour {
		return fmt.Sprintf("%g hours", d.Hours())
	}
	return fmt.Sprintf("%g minutes", d.Minutes())
}

// peak captions a video and returns the peak resident memory of the process.
func (l *lab) peak(ctx context.Context, video string) (int64, error) {
	var stdout, stderr bytes.Buffer
	c := command(ctx, l.captions, "transcribe", "-j", fmt.Sprint(cores), "-f", "json", "-o", "-", video)
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Start(); err != nil {
		return 0, fmt.Errorf("captions transcribe: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	var peaks []int64
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return 0, fmt.Errorf("captions transcribe: %w: %s", err, tail(stderr.String()))
			}
			words, err := transcriptWords(stdout.Bytes())
			if err != nil {
				return 0, err
			}
			if len(words) == 0 || len(peaks) == 0 {
				return 0, fmt.Errorf("captions transcribe heard %d words and was looked at %d times; that is no measurement", len(words), len(peaks))
			}
			return slices.Max(peaks), nil
		case <-tick.C:
			// The mark only rises; once the process is a zombie there is none, and the last one counts.
			if p, err := memory(c.Process.Pid, "VmHWM"); err == nil {
				peaks = append(peaks, p)
			}
		}
	}
}
