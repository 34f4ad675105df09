// Package process runs other programs for as long as this one lives, and no longer: they end when they are stopped, and
// the system ends them when this process is killed. What they say goes to a file, whose end is part of every error.
// Which programs, and what for, is the business of the callers.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Spec says what is run.
type Spec struct {
	Name string   // for errors
	Path string   // of the program
	Args []string // without the program's own name
	Env  []string // all of it: nothing is inherited
	Dir  string   // where it runs
	Log  string   // the file that gets its output and its errors, appended to
}

// Process is a program that runs in a process group of its own.
type Process struct {
	spec Spec
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// Start runs a program.
func Start(spec Spec) (*Process, error) {
	out, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", spec.Name, err)
	}
	defer func() { _ = out.Close() }() // The program has its own handle.
	// Not bound to a context: a program outlives the call that starts it.
	cmd := exec.CommandContext(context.Background(), spec.Path, spec.Args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = spec.Dir, spec.Env, out, out
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	cmd.SysProcAttr = attributes()
	p := &Process{spec: spec, cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The system watches the thread that started the program, so this one stays until the program has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // How it ended is told by its log.
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return p, nil
}

// Await calls ready until it succeeds, the program ends, or the context does.
func (p *Process) Await(ctx context.Context, ready func(context.Context) error) error {
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended (%s); the end of its log: %s", p.spec.Name, p.cmd.ProcessState, p.Tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; the end of its log: %s", p.spec.Name, errors.Join(context.Cause(ctx), err), p.Tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Name is what the program is called in errors.
func (p *Process) Name() string { return p.spec.Name }

// Stop asks the program to end, and kills it, and what it has left behind in its group, when its patience is over.
func (p *Process) Stop(patience time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // It may have ended.
	select {
	case <-p.done:
	case <-time.After(patience):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // The group may be empty.
	<-p.done
}

// Tail returns the end of what the program has said.
func (p *Process) Tail() string {
	const size = 2000
	log, err := os.ReadFile(p.spec.Log)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(log[max(0, len(log)-size):]))
}
