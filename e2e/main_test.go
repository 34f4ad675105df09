package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"k8s-scalers/internal/testservers"
)

// What is made once a run and never changed.
var run struct {
	binaries string // the folder of our programs
	backends *testservers.Backends
	fixtures *fixtures
	contract *contract
}

// existingURL names the variable with the address of a deployment that runs already, such as one in a cluster.
const existingURL = "CAPTIONS_E2E_URL"

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	fail := func(err error) int { fmt.Fprintln(os.Stderr, "e2e:", err); return 1 }
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // What is left goes with the machine's temporary files.
	// Processes that lose their parent become ours, so that the check below finds those that a deployment left behind.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fail(err)
	}
	// A deployment that runs already brings its own.
	if os.Getenv(existingURL) == "" {
		run.binaries = filepath.Join(dir, "bin")
		build := exec.Command("go", "build", "-o", run.binaries+"/", "k8s-scalers/cmd/...")
		if out, err := build.CombinedOutput(); err != nil {
			return fail(fmt.Errorf("build the programs: %w\n%s", err, out))
		}
		if run.backends, err = testservers.StartBackends(context.Background(), filepath.Join(dir, "backends")); err != nil {
			return fail(err)
		}
	}
	run.fixtures = &fixtures{dir: dir, files: map[string]string{}}
	if run.contract, err = newContract(); err != nil {
		return fail(err)
	}
	code := m.Run()
	if run.backends != nil {
		run.backends.Stop()
	}
	if left := orphans(); len(left) > 0 {
		return fail(fmt.Errorf("these programs outlived the deployments that started them:\n%s", strings.Join(left, "\n")))
	}
	return code
}

// orphans returns the child processes that are still there. Engines whose parent was killed get a while to notice it.
func orphans() []string {
	deadline := time.Now().Add(20 * time.Second)
	for {
		for { // The dead ones are not missed.
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		left := children()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// children returns the command lines of our child processes.
func children() []string {
	var all []string
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return []string{err.Error()}
	}
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // The thread has ended; its children are listed by another.
		}
		for pid := range strings.FieldsSeq(string(b)) {
			line, err := os.ReadFile("/proc/" + pid + "/cmdline")
			if err == nil && len(line) > 0 {
				all = append(all, pid+" "+strings.ReplaceAll(string(line), "\x00", " "))
			}
		}
	}
	return all
}
