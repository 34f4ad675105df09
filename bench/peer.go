package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"k8s-scalers/internal/media/pcm"
)

const modelDir = "/usr/share/pocketsphinx/model/en-us"

// longest is the longest utterance that the peer gives to the engine, in seconds: its error rate is best there.
const longest = 15.0

// peer recognises a video as one would in a script: ffmpeg extracts the sound, its filter silencedetect says where to cut,
// and one pocketsphinx_batch at its best settings recognises all utterances. It returns the words.
func peer(ctx context.Context, video, dir string) ([]string, error) {
	dir, err := os.MkdirTemp(dir, "peer-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // The folder above is removed at the end in any case.
	wav := filepath.Join(dir, "audio.wav")
	if _, err := output(command(ctx, "ffmpeg", "-nostdin", "-v", "error", "-i", video, "-vn", "-ac", "1", "-ar", "16000", wav)); err != nil {
		return nil, err
	}
	report, err := output(command(ctx, "ffmpeg", "-nostdin", "-hide_banner", "-i", wav, "-af", "silencedetect=n=-35dB:d=0.3", "-f", "null", "-"))
	if err != nil {
		return nil, err
	}
	f, err := os.Open(wav)
	if err != nil {
		return nil, fmt.Errorf("open sound: %w", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	sound, err := pcm.ReadAll(f)
	if err != nil {
		return nil, err
	}
	var control strings.Builder
	for i, u := range utterances(silences(report), float64(len(sound))/pcm.BytesPerSecond) {
		name := fmt.Sprintf("%06d", i)
		from, to := sampleAt(u[0]), min(sampleAt(u[1]), len(sound))
		if err := os.WriteFile(filepath.Join(dir, name+".raw"), sound[from:to], 0o600); err != nil {
			return nil, fmt.Errorf("write utterance: %w", err)
		}
		control.WriteString(name + "\n")
	}
	list, result := filepath.Join(dir, "ctl"), filepath.Join(dir, "hyp")
	if err := os.WriteFile(list, []byte(control.String()), 0o600); err != nil {
		return nil, fmt.Errorf("write control file: %w", err)
	}
	if _, err := output(command(ctx, "pocketsphinx_batch", "-adcin", "yes", "-adchdr", "0", "-remove_silence", "no",
		"-cepdir", dir, "-cepext", ".raw", "-ctl", list, "-hyp", result, "-ctm", filepath.Join(dir, "ctm"),
		"-hmm", modelDir+"/en-us", "-dict", modelDir+"/cmudict-en-us.dict", "-lm", modelDir+"/en-us.lm.bin", "-logfn", "/dev/null")); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(result)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	return hypothesis(string(b)), nil
}

// sampleAt returns the offset in bytes of a time in seconds.
func sampleAt(seconds float64) int { return int(seconds*pcm.Rate) * pcm.BytesPerSample }

// silences returns the spans, in seconds, that the filter silencedetect reported.
func silences(report string) [][2]float64 {
	var spans [][2]float64
	for _, m := range regexp.MustCompile(`silence_(start|end): (-?[0-9.]+)`).FindAllStringSubmatch(report, -1) {
		at, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			continue
		}
		if m[1] == "start" {
			spans = append(spans, [2]float64{max(at, 0), -1})
		} else if n := len(spans); n > 0 {
			spans[n-1][1] = at
		}
	}
	return spans
}

// utterances cuts sound of a length in the middle of silences, as late as the longest utterance allows, and hard where
// there is no silence.
func utterances(silences [][2]float64, length float64) [][2]float64 {
	var cut [][2]float64
	for start := 0.0; start < length; {
		end := min(start+longest, length)
		if end < length {
			for _, s := range silences {
				if mid := (s[0] + max(s[1], s[0])) / 2; mid > start+1 && mid <= start+longest {
					end = mid
				}
			}
		}
		cut = append(cut, [2]float64{start, end})
		start = end
	}
	return cut
}

// hypothesis returns the words of a file of lines such as "the words (000001 -1234)".
func hypothesis(file string) []string {
	var words []string
	for line := range strings.Lines(file) {
		if i := strings.LastIndex(line, "("); i >= 0 {
			line = line[:i]
		}
		for w := range strings.FieldsSeq(line) {
			if !strings.ContainsAny(w[:1], "<[+") {
				words = append(words, w)
			}
		}
	}
	return words
}
