package pocketsphinx

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"k8s-scalers/internal/media"
	"k8s-scalers/internal/media/pcm"
)

// Files of the model.
const (
	hmm  = "en-us"
	dict = "cmudict-en-us.dict"
	lm   = "en-us.lm.bin"
)

// process is a running pocketsphinx_batch. It reads names of utterances from its standard input, line by line, and
// writes what it heard to its standard output as soon as an utterance is done: a line of the hypothesis, then a
// line for each word of it. Its standard input ends with us, so that it never outlives us for long.
type process struct {
	cmd    *exec.Cmd
	folder string // private, holds the utterance in progress
	names  io.WriteCloser
	output *os.File
	lines  *bufio.Reader
	log    lastBytes
	count  int
	expiry *time.Timer // set while the process is idle
}

// start starts a process that lives at most until ctx ends; it does not wait until the model is loaded.
func start(ctx context.Context, d Deps) (_ *process, err error) {
	p := &process{}
	if p.folder, err = os.MkdirTemp(d.TempDir, "pocketsphinx-"); err != nil {
		return nil, fmt.Errorf("make a folder for utterances: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(p.folder) // The first error says more.
		}
	}()
	p.cmd = exec.CommandContext(ctx, d.Program,
		"-adcin", "yes", "-adchdr", "0", "-cepdir", p.folder, "-cepext", ".raw",
		// Without this the times of words leave out pauses.
		"-remove_silence", "no",
		"-ctl", "/dev/stdin", "-hyp", "/dev/stdout", "-ctm", "/dev/stdout", "-logfn", "/dev/stderr",
		"-hmm", filepath.Join(d.Model, hmm), "-dict", filepath.Join(d.Model, dict), "-lm", filepath.Join(d.Model, lm),
	)
	p.cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	p.cmd.Stderr = &p.log
	// A group of its own keeps the terminal's Ctrl-C from it, so that we may finish what is in progress.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.names, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("run pocketsphinx: %w", err)
	}
	output, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("run pocketsphinx: %w", err)
	}
	defer func() { _ = theirs.Close() }() // Then reading ends when the process does.
	p.cmd.Stdout = theirs
	if err := media.Start(p.cmd); err != nil {
		_ = output.Close()
		return nil, fmt.Errorf("run pocketsphinx: %w", err)
	}
	p.output, p.lines = output, bufio.NewReaderSize(output, 64<<10)
	return p, nil
}

// patience is how long an utterance may take: far longer than on the slowest machine that is of any use.
func patience(raw []byte) time.Duration {
	return time.Minute + 20*pcm.Duration(int64(len(raw))).Duration()
}

// decode recognises one utterance. After an error the process is stopped and must not be used again.
func (p *process) decode(ctx context.Context, raw []byte) (_ []recognized, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience(raw))
	defer cancel()
	stopKill := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() }) // ends a read or write in progress
	defer func() {
		if !stopKill() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			p.stop()
		}
	}()
	p.count++
	name := "u" + strconv.Itoa(p.count)
	file := filepath.Join(p.folder, name+".raw")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return nil, fmt.Errorf("write an utterance: %w", err)
	}
	if _, err := io.WriteString(p.names, name+"\n"); err != nil {
		return nil, fmt.Errorf("name an utterance: %w", err)
	}
	words, err := p.answer(name)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file); err != nil {
		return nil, fmt.Errorf("remove an utterance: %w", err)
	}
	return words, nil
}

func (p *process) answer(name string) ([]recognized, error) {
	line, err := p.line()
	if err != nil {
		return nil, err
	}
	n, err := parseHypothesis(line, name)
	if err != nil {
		return nil, err
	}
	words := make([]recognized, 0, n)
	for range n {
		if line, err = p.line(); err != nil {
			return nil, err
		}
		w, err := parseWord(line, name)
		if err != nil {
			return nil, err
		}
		words = append(words, w)
	}
	return words, nil
}

var errEnded = errors.New("pocketsphinx ended")

func (p *process) line() (string, error) {
	line, err := p.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF):
		return "", errEnded
	case err != nil:
		return "", fmt.Errorf("read from pocketsphinx: %w", err)
	}
	return string(line), nil
}

// stop ends the process, whatever it does, and removes its folder. It may be called again.
func (p *process) stop() {
	_ = p.cmd.Process.Kill() // It may have ended already.
	_ = p.cmd.Wait()         // Its state says what is to be said. This closes the pipe to it, too.
	_ = p.output.Close()
	_ = os.RemoveAll(p.folder)
}

// explain adds to the error of a stopped process how it ended and what it said last.
func (p *process) explain(err error) error {
	return fmt.Errorf("%w (%s): %s", err, p.cmd.ProcessState, bytes.ToValidUTF8(bytes.TrimSpace(p.log), []byte("?")))
}

// lastBytes is a writer that keeps the last kilobyte.
type lastBytes []byte

func (l *lastBytes) Write(p []byte) (int, error) {
	*l = append(*l, p...)
	if over := len(*l) - 1024; over > 0 {
		*l = append((*l)[:0], (*l)[over:]...)
	}
	return len(p), nil
}
