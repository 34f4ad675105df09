package testservers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// startTimeout is how long a server may take to answer; RabbitMQ takes 5 s on a machine that does nothing else, and minutes on one that is busy.
const startTimeout = 5 * time.Minute

// process is a program that runs in a process group of its own, with its output in a file.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
}

// start runs a program; what it says is appended to the file log.
func start(dir, log string, env []string, name string, args ...string) (*process, error) {
	return startAs(nil, dir, log, env, name, args...)
}

// startAs is start as another user; nil is this one.
func startAs(user *syscall.Credential, dir, log string, env []string, name string, args ...string) (*process, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("%s is not installed; run scripts/setup.sh services: %w", name, err)
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	defer func() { _ = out.Close() }() // The program has its own handle.
	// Not bound to a context: a server outlives the call that starts it.
	cmd := exec.CommandContext(context.Background(), path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	if user != nil {
		cmd.Dir = "/" // Until it runs, the program cannot pass through closed folders.
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8"}, env...)
	cmd.SysProcAttr = attributes(user)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // How it ended is told by its log.
	}()
	return p, nil
}

// signal sends a signal to the whole group.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// kill ends the program as kill -9 does, and waits until it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// suspend makes the program hang, or go on.
func (p *process) suspend(on bool) {
	if on {
		p.signal(syscall.SIGSTOP)
	} else {
		p.signal(syscall.SIGCONT)
	}
}

// stop asks the program to end, and kills it when it does not.
func (p *process) stop(patience time.Duration) { p.end(syscall.SIGTERM, patience) }

// end is stop by another signal.
func (p *process) end(sig syscall.Signal, patience time.Duration) {
	p.suspend(false) // A program that hangs would not hear it.
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(patience):
	}
	p.kill() // also what it has left behind in its group
}

// await calls ready until it succeeds, the program ends, or patience does.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %s", p.cmd.Path, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w: %s", p.cmd.Path, errors.Join(ctx.Err(), err), p.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tail returns the end of what the program has said.
func (p *process) tail() []byte {
	const size = 2000
	log, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(log[max(0, len(log)-size):])
}

// ask opens a connection, sends a question, and returns the first bytes of the answer.
func ask(ctx context.Context, addr, question string) (string, error) {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // Nothing is written after the question.
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte(question)); err != nil {
		return "", err
	}
	answer := make([]byte, 4<<10)
	n, err := conn.Read(answer)
	return string(answer[:n]), err
}

// FreeAddr returns a loopback address that nobody listens on, and that stays free for this process, also while the server there
// is down. So it is below the ports that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere), one of
// which could take it in the seconds that a server needs to start. Other processes that choose by this function pass it over,
// because its UDP port is held: by this process, until it ends.
func FreeAddr() (string, error) {
	const first, last, tries = 10_000, 32_767, 1000
	var err error
	for range tries {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.N(last-first+1)))
		var held net.PacketConn
		if held, err = (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", addr); err != nil {
			continue
		}
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr); err == nil {
			reserved.Lock()
			reserved.ports = append(reserved.ports, held)
			reserved.Unlock()
			return addr, l.Close()
		}
		_ = held.Close() // Nothing was sent there.
	}
	return "", fmt.Errorf("find a free port from %d to %d: %w", first, last, err)
}

// reserved keeps the ports from being closed when their memory is freed.
var reserved struct {
	sync.Mutex

	ports []net.PacketConn
}

// freePorts returns the ports of n addresses of [FreeAddr].
func freePorts(n int) ([]string, error) {
	ports := make([]string, n)
	for i := range ports {
		addr, err := FreeAddr()
		if err != nil {
			return nil, err
		}
		if _, ports[i], err = net.SplitHostPort(addr); err != nil {
			return nil, err
		}
	}
	return ports, nil
}
