package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/testservers"
)

// program is one of our programs, running or not.
type program struct {
	binary, admin, logPath string
	args, env              []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
	err  error         // how it ended
}

// newProgram prepares a program that ends with the test. The settings are environment variables, without the prefix CAPTIONS_; an
// address for probes is added.
func newProgram(t testing.TB, binary string, settings map[string]string, args ...string) *program {
	p := &program{binary: binary, args: args, admin: freeAddr(t), logPath: filepath.Join(t.TempDir(), "log")}
	settings = maps.Clone(settings)
	settings["ADMIN_ADDR"] = p.admin
	p.env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "CAPTIONS_") })
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		p.env = append(p.env, "CAPTIONS_"+k+"="+settings[k])
	}
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", filepath.Base(binary), p.logTail())
		}
	})
	return p
}

// start starts the program; awaitReady waits for it.
func (p *program) start(t testing.TB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Nil(t, p.cmd, "the program runs already")
	log, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer func() { _ = log.Close() }() // The program has its own handle.
	cmd := exec.Command(p.binary, p.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		p.err = cmd.Wait()
		close(done)
	}()
}

// awaitReady waits until the program says that it is ready. Only a program that has ended, or one that hangs for a long
// time, fails the test.
func (p *program) awaitReady(t testing.TB) {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	deadline := time.After(time.Minute)
	for {
		if res, err := http.Get("http://" + p.admin + "/readyz"); err == nil {
			_ = res.Body.Close() // Nothing is read from it.
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-done:
			require.FailNow(t, "the program ended while it started", "%v\n%s", p.err, p.logTail())
		case <-deadline:
			require.FailNow(t, "the program did not become ready", p.logTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// signal asks the program to end in order, and returns a function that waits for that.
func (p *program) signal(t testing.TB) func(testing.TB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NotNil(t, p.cmd, "the program does not run")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	return func(t testing.TB) {
		p.mu.Lock()
		defer p.mu.Unlock()
		select {
		case <-p.done:
		case <-time.After(time.Minute):
			_ = p.cmd.Process.Kill() // It hangs; the test fails anyhow.
			<-p.done
			require.FailNow(t, "the program did not end a minute after SIGTERM")
		}
		p.cmd = nil
		require.NoError(t, p.err, "the program did not end well")
	}
}

// kill ends the program without warning.
func (p *program) kill(t testing.TB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NotNil(t, p.cmd, "the program does not run")
	require.NoError(t, p.cmd.Process.Kill())
	<-p.done
	p.cmd = nil
	var exit *exec.ExitError
	require.ErrorAs(t, p.err, &exit, "the program ended by itself")
}

// end makes sure that the program does not outlive its test.
func (p *program) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // It fails where the program has ended already.
	select {
	case <-p.done:
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	p.cmd = nil
}

// tasks reads from the log which tasks have ended.
func (p *program) tasks(t testing.TB) []TaskRecord {
	f, err := os.Open(p.logPath)
	require.NoError(t, err)
	defer func() { _ = f.Close() }() // It was only read.
	var records []TaskRecord
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var line struct {
			Msg string `json:"msg"`
			TaskRecord
		}
		// A line that was cut off by a kill is no record.
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "task ended" {
			records = append(records, line.TaskRecord)
		}
	}
	require.NoError(t, lines.Err())
	return records
}

func (p *program) logTail() string {
	b, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	// The access log would hide the rest.
	lines = slices.DeleteFunc(lines, func(l []byte) bool {
		return bytes.Contains(l, []byte(`"msg":"request"`)) && !bytes.Contains(l, []byte(`"status":5`))
	})
	return string(bytes.Join(lines[max(0, len(lines)-40):], []byte("\n")))
}

// freeAddr returns a loopback address that nobody listens on. It stays the same over restarts, so that addresses that were given
// out before still work.
func freeAddr(t testing.TB) string {
	addr, err := testservers.FreeAddr()
	require.NoError(t, err)
	return addr
}
