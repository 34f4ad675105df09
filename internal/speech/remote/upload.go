package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech"
)

// shortest is the sound that is worth sending; a spoken word lasts longer.
const shortest caption.Millis = 100

// upload is the sending side of a call, and the watch over both sides.
type upload struct {
	audio       speech.Audio
	call        Call
	cancel      context.CancelCauseFunc
	stall, wait time.Duration
	timer       *time.Timer

	mu   sync.Mutex
	done int64 // bytes given to the connection
	err  error // why the audio could not be read
}

// watch cancels the call when nothing happens for too long, until the function that it returns is called.
func (u *upload) watch() (stop func()) {
	u.timer = time.AfterFunc(u.stall, func() { u.cancel(errStalled) })
	return func() { u.timer.Stop() }
}

func (u *upload) size() int64 {
	return int64(len(u.call.Before)) + u.audio.Size + int64(len(u.call.After))
}

func (u *upload) sent() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.done == u.size()
}

func (u *upload) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

func (u *upload) fail(err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err = err
	return err
}

// open returns the body from its beginning. The header of the sound is checked before anything is sent.
func (u *upload) open() (io.ReadCloser, error) {
	f, err := u.audio.Open()
	if err != nil {
		return nil, u.fail(fmt.Errorf("open audio: %w", err))
	}
	var header bytes.Buffer
	if _, err := pcm.ReadHeader(io.TeeReader(f, &header)); err != nil {
		_ = f.Close() // It was only read.
		if errors.Is(err, pcm.ErrWAV) {
			err = caption.Errorf(caption.KindInvalid, "The sound is not in the format that the engine takes.").
				WithCode("audio_unreadable").WithCause(err)
		}
		return nil, u.fail(err)
	}
	if u.audio.Duration < shortest {
		_ = f.Close() // It was only read.
		return nil, ErrTooShort
	}
	u.mu.Lock()
	u.done = 0
	u.mu.Unlock()
	var samples io.Reader = &exactly{r: f, left: u.audio.Size - int64(header.Len())}
	if u.call.Tap != nil {
		samples = &tapped{r: samples, tap: u.call.Tap, restart: true}
	}
	return &body{upload: u, file: f, r: io.MultiReader(
		bytes.NewReader(u.call.Before), &header, &source{samples, u}, bytes.NewReader(u.call.After))}, nil
}

// body is what the connection reads. Each read is a sign of life.
type body struct {
	upload *upload
	file   io.Closer
	r      io.Reader
}

func (b *body) Read(p []byte) (int, error) {
	u := b.upload
	n, err := b.r.Read(p)
	u.mu.Lock()
	u.done += int64(n)
	all := u.done == u.size()
	u.mu.Unlock()
	if all { // now the service works on it
		u.timer.Reset(u.wait)
	} else {
		u.timer.Reset(u.stall)
	}
	return n, err
}

func (b *body) Close() error { return b.file.Close() }

// source remembers that the audio could not be read, which is not the service's fault.
type source struct {
	r      io.Reader
	upload *upload
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return io.EOF as it is
		err = s.upload.fail(fmt.Errorf("read audio: %w", err))
	}
	return n, err
}

// exactly reads so many bytes, because their number was announced. An end before is an error; what follows is not read.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// tapped shows what is read.
type tapped struct {
	r       io.Reader
	tap     func(samples []byte, restart bool)
	restart bool
}

func (t *tapped) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if n > 0 {
		t.tap(p[:n], t.restart)
		t.restart = false
	}
	return n, err
}

// watched is the answer. Each read is a sign of life.
type watched struct {
	r      io.Reader
	upload *upload
}

func (w *watched) Read(p []byte) (int, error) {
	w.upload.timer.Reset(w.upload.stall)
	return w.r.Read(p)
}
