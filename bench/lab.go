package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lab is where the figures are measured: a folder, the program, and how thorough to be.
type lab struct {
	dir      string
	captions string
	quick    bool
	full     bool
	start    time.Time
	log      io.Writer
}

// logf tells the person who waits how far it is.
func (l *lab) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(l.log, "%6.0fs  %s\n", time.Since(l.start).Seconds(), fmt.Sprintf(format, args...)) // Nobody to tell otherwise.
}

// rounds is how many pairs are measured; the table shows their medians.
func (l *lab) rounds() int {
	if l.quick {
		return 2
	}
	return 3
}

// cores is how many cores every measured program gets, so that figures of different machines can be compared.
const cores = 2

// command returns a command on the cores of the measurement. When ctx ends it is asked to stop, and later killed.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if taskset, err := exec.LookPath("taskset"); err == nil && runtime.NumCPU() > cores {
		args = append([]string{"-c", fmt.Sprintf("0-%d", cores-1), name}, args...)
		name = taskset
	}
	c := exec.CommandContext(ctx, name, args...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 20 * time.Second
	return c
}

// output runs a command and returns what it wrote to standard error, where ffmpeg's filters and our own program report.
func output(c *exec.Cmd) (stderr string, err error) {
	var b bytes.Buffer
	c.Stderr = &b
	if err := c.Run(); err != nil {
		return b.String(), fmt.Errorf("%s: %w: %s", c.Path, err, tail(b.String()))
	}
	return b.String(), nil
}

// tail returns the end of a log, where the cause mostly is.
func tail(s string) string {
	const length = 500
	if s = strings.TrimSpace(s); len(s) > length {
		s = "…" + s[len(s)-length:]
	}
	return s
}

// memory returns a figure of /proc/PID/status, such as VmRSS or VmHWM, in bytes: that of the process alone, without its
// children.
func memory(pid int, name string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	return parseStatus(string(b), name)
}

func parseStatus(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		f := strings.Fields(rest)
		if len(f) != 2 || f[1] != "kB" {
			break
		}
		kb, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			break
		}
		return kb << 10, nil
	}
	return 0, fmt.Errorf("the process tells no %s", name)
}
