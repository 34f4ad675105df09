//go:build linux

package process_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/windtunnel/internal/process"
)

// parent makes the test program start a child, print its process id, and wait to be killed.
const parent = "PROCESS_TEST_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parent); dir != "" {
		if _, err := process.Start(sleeper(dir)); err != nil {
			panic(err)
		}
		select {}
	}
	goleak.VerifyTestMain(m)
}

func sleeper(dir string) process.Spec {
	return process.Spec{
		Name: "sleeper", Path: "/bin/sh", Args: []string{"-c", "echo $$ >pid.new; mv pid.new pid; exec sleep 600"},
		Dir: dir, Log: filepath.Join(dir, "log"),
	}
}

func TestStopEndsIt(t *testing.T) {
	p, err := process.Start(sleeper(t.TempDir()))
	require.NoError(t, err)
	p.Stop(time.Minute)
	<-p.Done()
}

func TestEndsWithItsParent(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), parent+"="+dir)
	require.NoError(t, cmd.Start())
	var child int
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err != nil {
			return false
		}
		child, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool {
		state, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(child), "stat"))
		return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || strings.Contains(string(state), ") Z ")
	}, time.Minute, 10*time.Millisecond)
}

func TestEarlyEndIsTold(t *testing.T) {
	dir := t.TempDir()
	p, err := process.Start(process.Spec{
		Name: "grumbler", Path: "/bin/sh", Args: []string{"-c", "echo no such option; exit 3"}, Dir: dir, Log: filepath.Join(dir, "log"),
	})
	require.NoError(t, err)
	err = p.Await(t.Context(), func(context.Context) error { return errors.New("not yet") })
	require.ErrorContains(t, err, "grumbler has ended (exit status 3)")
	require.ErrorContains(t, err, "no such option")
}

func TestNeverReadyIsTold(t *testing.T) {
	p, err := process.Start(sleeper(t.TempDir()))
	require.NoError(t, err)
	defer p.Stop(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	err = p.Await(ctx, func(context.Context) error {
		cancel()
		return errors.New("not yet")
	})
	require.ErrorContains(t, err, "sleeper is not ready")
	require.ErrorContains(t, err, "not yet")
}

func TestMissingProgramIsTold(t *testing.T) {
	dir := t.TempDir()
	_, err := process.Start(process.Spec{Name: "nothing", Path: filepath.Join(dir, "nothing"), Dir: dir, Log: filepath.Join(dir, "log")})
	require.ErrorContains(t, err, "start nothing")
}
