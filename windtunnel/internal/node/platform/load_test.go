//go:build cluster

package platform_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// load is a run of `captions load` from outside of the cluster.
type load struct {
	cmd      *exec.Cmd
	out, err bytes.Buffer
	ended    bool
}

// report is what it says at its end, as far as the scenarios look at it.
type report struct {
	Requests []struct {
		Done int `json:"done"`
	} `json:"requests"`
	Jobs struct {
		Started    int            `json:"started"`
		Accepted   int            `json:"accepted"`
		Processed  int            `json:"processed"`
		Failed     int            `json:"failed"`
		Unfinished int            `json:"unfinished"`
		Errors     map[string]int `json:"errors"`
	} `json:"jobs"`
}

// startLoad starts a load by the test's user.
func (c cluster) startLoad(t *testing.T, args ...string) *load {
	t.Helper()
	env := append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir())
	login := exec.CommandContext(t.Context(), captions, "login", "--server", c.url, "--password-stdin", c.account.Email)
	login.Env, login.Stdin = env, strings.NewReader(c.account.Password+"\n")
	out, err := login.CombinedOutput()
	require.NoError(t, err, "%s", out)
	l := &load{cmd: exec.CommandContext(t.Context(), captions, append([]string{"load", "--json", "--server", c.url}, args...)...)}
	l.cmd.Env = env
	l.cmd.Stdout, l.cmd.Stderr = &l.out, &l.err
	require.NoError(t, l.cmd.Start())
	t.Cleanup(func() {
		if !l.ended {
			_ = l.cmd.Process.Kill() // The test has failed; why has been said.
			_ = l.cmd.Wait()
		}
	})
	time.Sleep(5 * time.Second) // The first requests are on their way, so that there is something to report.
	return l
}

// stop ends the load as Ctrl-C does, and returns what was measured.
func (l *load) stop(t *testing.T) report {
	t.Helper()
	require.NoError(t, l.cmd.Process.Signal(syscall.SIGINT))
	return l.wait(t)
}

// wait waits until the load ends by itself.
func (l *load) wait(t *testing.T) report {
	t.Helper()
	err := l.cmd.Wait()
	l.ended = true
	var r report
	require.NoError(t, json.Unmarshal(l.out.Bytes(), &r), "%v\n%s", err, l.err.String())
	return r
}
