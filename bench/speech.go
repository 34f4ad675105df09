package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s-scalers/internal/media/pcm"
)

// What is said: plain English of which every word is in the dictionary of the model.
//
//go:embed paragraphs.txt
var paragraphsText string

func paragraphs() []string { return strings.Split(strings.TrimSpace(paragraphsText), "\n\n") }

// voices of flite at 16 kHz.
func voices() []string { return []string{"rms", "kal16", "awb", "slt"} }

// pause is the silence between two paragraphs.
const pause = 800 * time.Millisecond

// track is sound of 16 kHz in one channel, and what is said in it.
type track struct {
	sound []byte
	words []string
}

func (t *track) duration() time.Duration { return pcm.Duration(int64(len(t.sound))).Duration() }

// silence appends digital silence.
func (t *track) silence(d time.Duration) { t.sound = append(t.sound, silence(d)...) }

func silence(d time.Duration) []byte { return make([]byte, pcm.BytesPerMilli*d.Milliseconds()) }

// speak appends a paragraph in a voice, and a pause.
func (l *lab) speak(ctx context.Context, t *track, voice, text string) error {
	in, out := filepath.Join(l.dir, "say.txt"), filepath.Join(l.dir, "say.wav")
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write text to speak: %w", err)
	}
	if _, err := output(command(ctx, "flite", "-voice", voice, "-f", in, "-o", out)); err != nil {
		return err
	}
	f, err := os.Open(out)
	if err != nil {
		return fmt.Errorf("open speech: %w", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	sound, err := pcm.ReadAll(f)
	if err != nil {
		return fmt.Errorf("voice %s: %w", voice, err)
	}
	t.sound = append(t.sound, sound...)
	t.words = append(t.words, strings.Fields(text)...)
	t.silence(pause)
	return nil
}

// speech returns all paragraphs in one voice.
func (l *lab) speech(ctx context.Context, voice string) (*track, error) {
	t := &track{}
	for _, p := range paragraphs() {
		if err := l.speak(ctx, t, voice, p); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// talk returns speech of at least the given length, all paragraphs in one voice after the other.
func (l *lab) talk(ctx context.Context, length time.Duration) (*track, error) {
	t := &track{}
	for {
		for _, v := range voices() {
			for _, p := range paragraphs() {
				if err := l.speak(ctx, t, v, p); err != nil {
					return nil, err
				}
				if t.duration() >= length {
					return t, nil
				}
			}
		}
	}
}

// video makes a video file with moving pictures over sound; the file's name decides the container. It returns its path.
func (l *lab) video(ctx context.Context, name string, framesPerSecond int, length time.Duration, sound io.Reader) (string, error) {
	path := filepath.Join(l.dir, name)
	audio := []string{"-c:a", "aac", "-b:a", "96k"}
	if filepath.Ext(name) == ".mkv" {
		audio = []string{"-c:a", "flac"}
	}
	args := []string{"-nostdin", "-y", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "pipe:0",
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=320x240:rate=%d:duration=%.3f", framesPerSecond, length.Seconds()),
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"}
	c := command(ctx, "ffmpeg", append(append(args, audio...), path)...)
	c.Stdin = sound
	if _, err := output(c); err != nil {
		return "", err
	}
	return path, nil
}

// videoOf makes an mp4 of a track.
func (l *lab) videoOf(ctx context.Context, name string, t *track) (string, error) {
	return l.video(ctx, name, 10, t.duration(), bytes.NewReader(t.sound))
}
