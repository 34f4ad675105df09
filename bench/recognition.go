package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech/speechtest"
)

// transcribe runs captions transcribe on a file and returns the words.
func (l *lab) transcribe(ctx context.Context, file string, workers int) ([]string, error) {
	var stdout, stderr bytes.Buffer
	c := command(ctx, l.captions, "transcribe", "-j", strconv.Itoa(workers), "-f", "json", "-o", "-", file)
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("captions transcribe: %w: %s", err, tail(stderr.String()))
	}
	return transcriptWords(stdout.Bytes())
}

func transcriptWords(transcript []byte) ([]string, error) {
	var t caption.Transcript
	if err := json.Unmarshal(transcript, &t); err != nil {
		return nil, fmt.Errorf("read transcript: %w", err)
	}
	words := make([]string, len(t.Words))
	for i, w := range t.Words {
		words[i] = w.Text
	}
	return words, nil
}

// measureSpeed captions one video with two workers, with one, and by the peer, in turns.
func measureSpeed(ctx context.Context, l *lab) ([]row, error) {
	length := 10 * time.Minute
	if l.quick {
		length = 90 * time.Second
	}
	t, err := l.talk(ctx, length)
	if err != nil {
		return nil, err
	}
	video, err := l.videoOf(ctx, "talk.mp4", t)
	if err != nil {
		return nil, err
	}
	runs := []struct {
		name string
		run  func() ([]string, error)
	}{
		{"peer", func() ([]string, error) { return peer(ctx, video, l.dir) }},
		{"two workers", func() ([]string, error) { return l.transcribe(ctx, video, cores) }},
		{"one worker", func() ([]string, error) { return l.transcribe(ctx, video, 1) }},
	}
	took := make([][]time.Duration, len(runs))
	wrong := make([]float64, len(runs))
	for round := range l.rounds() {
		for i, r := range runs {
			start := time.Now()
			words, err := r.run()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
			took[i] = append(took[i], time.Since(start))
			wrong[i] = speechtest.WER(t.words, words)
			l.logf("round %d, %s: %s, word error rate %s", round+1, r.name, seconds(took[i][round]), percent(wrong[i]))
		}
	}
	base, two, one := median(took[0]), median(took[1]), median(took[2])
	faster, overhead := base.Seconds()/two.Seconds(), one.Seconds()/base.Seconds()-1
	what := fmt.Sprintf("captions transcribe, %s of video", t.duration().Round(time.Second))
	against := "ffmpeg, then one pocketsphinx_batch: " + seconds(base)
	return []row{
		{what + ", 2 workers", against, "≥ 1.8 times as fast", fmt.Sprintf("%.2f times (%s)", faster, seconds(two)), verdictOf(faster >= 1.8)},
		{"its word error rate", percent(wrong[0]), "no worse", percent(wrong[1]), verdictOf(wrong[1] <= wrong[0])},
		{what + ", 1 worker", against, "≤ 5 % slower", fmt.Sprintf("%+.1f %% (%s)", 100*overhead, seconds(one)), verdictOf(overhead <= 0.05)},
	}, nil
}

// recordings is the human speech of Debian's pocketsphinx-testdata.
const recordings = "/usr/share/pocketsphinx/test/data/librivox"

// measureAccuracy compares word error rates, voice by voice.
func measureAccuracy(ctx context.Context, l *lab) ([]row, error) {
	var rows []row
	for _, v := range voices() {
		t, err := l.speech(ctx, v)
		if err != nil {
			return rows, err
		}
		file, err := l.videoOf(ctx, v+".mp4", t)
		if err != nil {
			return rows, err
		}
		r, err := l.compare(ctx, fmt.Sprintf("word error rate, %d paragraphs, voice %s", len(paragraphs()), v), []string{file}, t.words)
		if err != nil {
			return rows, err
		}
		if v == "rms" {
			r.most = 0.10
		}
		rows = append(rows, r.row())
	}
	files, words, err := humanSpeech()
	if err != nil {
		return rows, err
	}
	r, err := l.compare(ctx, fmt.Sprintf("word error rate, %d human recordings", len(files)), files, words)
	if err != nil {
		return rows, err
	}
	return append(rows, r.row()), nil
}

// comparison is a word error rate of ours and of the peer on the same speech.
type comparison struct {
	what       string
	words      int
	ours, peer float64
	most       float64 // ours may not be above it; 0: no such limit
}

func (c *comparison) row() row {
	goal, ok := "≤ +1 point", c.ours <= c.peer+0.01
	if c.most > 0 {
		goal += fmt.Sprintf(" and ≤ %.0f %%", 100*c.most)
		ok = ok && c.ours <= c.most
	}
	return row{fmt.Sprintf("%s (%d words)", c.what, c.words), "pocketsphinx_batch: " + percent(c.peer), goal, percent(c.ours), verdictOf(ok)}
}

// compare recognises files, whose words follow each other, with both.
func (l *lab) compare(ctx context.Context, what string, files, words []string) (*comparison, error) {
	var ours, theirs []string
	for _, f := range files {
		w, err := l.transcribe(ctx, f, cores)
		if err != nil {
			return nil, err
		}
		ours = append(ours, w...)
		if w, err = peer(ctx, f, l.dir); err != nil {
			return nil, err
		}
		theirs = append(theirs, w...)
	}
	c := &comparison{what: what, words: len(words), ours: speechtest.WER(words, ours), peer: speechtest.WER(words, theirs)}
	l.logf("%s: %s, peer %s", what, percent(c.ours), percent(c.peer))
	return c, nil
}

// humanSpeech returns the recordings in order, and all their words.
func humanSpeech() (files, words []string, err error) {
	b, err := os.ReadFile(filepath.Join(recordings, "transcription"))
	if err != nil {
		return nil, nil, fmt.Errorf("the recordings of the package pocketsphinx-testdata are missing: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		name, w, ok := parseTranscription(line)
		if !ok {
			return nil, nil, fmt.Errorf("a line of the transcription of the recordings is in another form: %q", line)
		}
		files = append(files, filepath.Join(recordings, name+".wav"))
		words = append(words, w...)
	}
	return files, words, nil
}

// parseTranscription takes a line such as "<s> the words </s> (name)" apart.
func parseTranscription(line string) (name string, words []string, ok bool) {
	text, rest, _ := strings.Cut(strings.TrimSpace(line), "(")
	if name, ok = strings.CutSuffix(rest, ")"); !ok || name == "" {
		return "", nil, false
	}
	for w := range strings.FieldsSeq(text) {
		if w != "<s>" && w != "</s>" {
			words = append(words, w)
		}
	}
	return name, words, len(words) > 0
}
