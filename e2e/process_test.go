package e2e

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/accounts/sqlaccounts"
)

// processes launches the one-process deployment: the real program, on a folder of its own.
type processes struct{ binary string }

func (p processes) Can() (Capability, string) {
	if os.Geteuid() != 0 {
		return Alone | Restarts | Kills, "mounting a small disk needs root"
	}
	return Alone | Restarts | Kills | SmallDisk, ""
}

func (p processes) Launch(t testing.TB, o Options) Deployment {
	d := &process{binary: p.binary, dir: t.TempDir(), addr: freeAddr(t), admin: freeAddr(t)}
	d.logPath = filepath.Join(t.TempDir(), "log")
	if o.DiskBytes > 0 {
		mountSmallDisk(t, d.dir, o.DiskBytes)
	}
	env := map[string]string{
		"ADMIN_ADDR": d.admin, "LOG_FORMAT": "json", "LOG_LEVEL": "info",
		// Each user of a scenario says to come from another address, so that one scenario does not use up the others' rates.
		"TRUSTED_PROXIES": "127.0.0.1",
	}
	maps.Copy(env, o.Settings)
	d.env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "CAPTIONS_") })
	for _, k := range slices.Sorted(maps.Keys(env)) {
		d.env = append(d.env, "CAPTIONS_"+k+"="+env[k])
	}
	t.Cleanup(func() {
		d.end()
		if t.Failed() {
			t.Logf("end of the log:\n%s", d.logTail())
		}
	})
	d.Start(t)
	return d
}

// process is the program, running or not.
type process struct {
	binary, dir, addr, admin, logPath string
	env                               []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
	err  error         // how it ended
}

func (d *process) BaseURL() string { return "http://" + d.addr }
func (d *process) DataDir() string { return d.dir }

func (d *process) Start(t testing.TB) {
	d.mu.Lock()
	defer d.mu.Unlock()
	require.Nil(t, d.cmd, "the program runs already")
	log, err := os.OpenFile(d.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer func() { _ = log.Close() }() // The program has its own handle.
	cmd := exec.Command(d.binary, "serve", "--addr", d.addr, "--data", d.dir)
	cmd.Env, cmd.Stdout, cmd.Stderr = d.env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	d.cmd, d.done = cmd, done
	go func() {
		d.err = cmd.Wait()
		close(done)
	}()
	d.awaitReady(t)
}

// awaitReady waits until the program says that it is ready. Only a program that has ended, or one that hangs for a long
// time, fails the test.
func (d *process) awaitReady(t testing.TB) {
	deadline := time.After(time.Minute)
	for {
		if res, err := http.Get("http://" + d.admin + "/readyz"); err == nil {
			_ = res.Body.Close() // Nothing is read from it.
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-d.done:
			require.FailNow(t, "the program ended while it started", "%v\n%s", d.err, d.logTail())
		case <-deadline:
			require.FailNow(t, "the program did not become ready", d.logTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *process) Signal(t testing.TB) func(testing.TB) {
	d.mu.Lock()
	defer d.mu.Unlock()
	require.NotNil(t, d.cmd, "the program does not run")
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	return func(t testing.TB) {
		d.mu.Lock()
		defer d.mu.Unlock()
		select {
		case <-d.done:
		case <-time.After(time.Minute):
			_ = d.cmd.Process.Kill() // It hangs; the test fails anyhow.
			<-d.done
			require.FailNow(t, "the program did not end a minute after SIGTERM")
		}
		d.cmd = nil
		require.NoError(t, d.err, "the program did not end well")
	}
}

func (d *process) Stop(t testing.TB) { d.Signal(t)(t) }

func (d *process) Kill(t testing.TB) {
	d.mu.Lock()
	defer d.mu.Unlock()
	require.NotNil(t, d.cmd, "the program does not run")
	require.NoError(t, d.cmd.Process.Kill())
	<-d.done
	d.cmd = nil
	var exit *exec.ExitError
	require.ErrorAs(t, d.err, &exit, "the program ended by itself")
}

// end makes sure that the program does not outlive its test.
func (d *process) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // It fails where the program has ended already.
	select {
	case <-d.done:
	case <-time.After(40 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
	d.cmd = nil
}

func (d *process) Tasks(t testing.TB) []TaskRecord {
	f, err := os.Open(d.logPath)
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

func (d *process) SigningKey(t testing.TB) (string, ed25519.PrivateKey) {
	store, err := sqlaccounts.Open(t.Context(), "sqlite:"+filepath.Join(d.dir, "accounts.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	keys, err := store.Keys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return keys[0].ID, ed25519.NewKeyFromSeed(keys[0].Seed)
}

func (d *process) ObjectKeys(t testing.TB) aws.Credentials {
	b, err := os.ReadFile(filepath.Join(d.dir, "s3", "credentials.json"))
	require.NoError(t, err)
	var keys struct {
		AccessKey string `json:"access_key"`
		SecretKey string `json:"secret_key"`
	}
	require.NoError(t, json.Unmarshal(b, &keys))
	return aws.Credentials{AccessKeyID: keys.AccessKey, SecretAccessKey: keys.SecretKey}
}

func (d *process) logTail() string {
	b, err := os.ReadFile(d.logPath)
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

// freeAddr returns a loopback address that nobody listens on. It has to stay the same over restarts, so that addresses that
// were given out before still work. So it is below the ports that the system gives to outgoing connections, one of which could
// take it while the program is down.
func freeAddr(t testing.TB) string {
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.N(12_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			require.NoError(t, l.Close())
			return addr
		}
	}
	require.FailNow(t, "no free port was found")
	return ""
}

func mountSmallDisk(t testing.TB, dir string, size int64) {
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)))
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
}
