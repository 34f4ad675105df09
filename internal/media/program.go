package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s-scalers/internal/caption"
)

// The demuxers of files that contain their own data. Those that open other files or addresses (hls, concat, dash,
// image sequences, …) are not among them.
const demuxers = "mov,matroska,webm,mp3,wav,ogg,flac,aac,avi,mpegts"

// Check returns an error that says what to install where ffmpeg or ffprobe is missing.
func Check() error {
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(name); err != nil {
			return caption.Errorf(caption.KindUnavailable, "The program %s is not installed. On Debian and Ubuntu: apt-get install ffmpeg. On macOS: brew install ffmpeg.", name).
				WithCode(MissingProgram).WithCause(err)
		}
	}
	return nil
}

// inputArgs are the arguments before and with the input of ffmpeg and ffprobe. The prefix keeps a path from being read
// as an option or as an address.
func inputArgs(path string) ([]string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("path of the media file: %w", err)
	}
	return []string{
		"-protocol_whitelist", "file", "-format_whitelist", demuxers, "-max_streams", "64", "-i", "file:" + abs,
	}, nil
}

// command returns a command in a process group of its own, all of which is killed when ctx ends.
func command(ctx context.Context, stderr *tail, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=/nonexistent"} // no credentials, no settings of the user
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Start starts a program that computes for long, such as those that read media or hear speech. It yields the cores to others, so that a
// busy machine still answers at once.
func Start(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	const nice = 10
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, nice) // It works without, too.
	return nil
}

// tail keeps the beginning and the end of what a program says, and whether it said anything.
type tail struct {
	head, end []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if room := tailSize - len(t.head); room > 0 {
		k := min(room, len(p))
		t.head = append(t.head, p[:k]...)
		p = p[k:]
	}
	t.end = append(t.end, p...)
	if over := len(t.end) - tailSize; over > 0 {
		t.end = append(t.end[:0], t.end[over:]...)
	}
	return n, nil
}

func (t *tail) empty() bool { return len(bytes.TrimSpace(t.head)) == 0 }

// has tells whether the program said one of the phrases, ignoring case.
func (t *tail) has(phrases ...string) bool {
	said := strings.ToLower(string(t.head) + "\n" + string(t.end))
	for _, p := range phrases {
		if strings.Contains(said, p) {
			return true
		}
	}
	return false
}

// cause wraps err with what the program said, for the log.
func (t *tail) cause(err error) error {
	said := strings.TrimSpace(string(t.end))
	if said == "" {
		said = strings.TrimSpace(string(t.head))
	}
	if len(said) > 500 {
		said = "…" + said[len(said)-500:]
	}
	said = strings.ToValidUTF8(said, "?")
	if err == nil {
		return errors.New(said)
	}
	return fmt.Errorf("%w: %s", err, said)
}
