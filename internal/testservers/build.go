package testservers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
)

// buildFerretDB returns the path of the program in the folder ferretdb, building it first where that has not been done. It
// is kept in the user's cache folder under the sum of its sources, so that all clones and test processes share it.
func buildFerretDB(ctx context.Context) (string, error) {
	source, err := ferretSource()
	if err != nil {
		return "", err
	}
	sum, err := sumOf(source)
	if err != nil {
		return "", fmt.Errorf("read the sources of FerretDB: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("place for FerretDB: %w", err)
	}
	dir := filepath.Join(cache, "k8s-scalers", "ferretdb-"+sum)
	program := filepath.Join(dir, "ferretdb")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("place for FerretDB: %w", err)
	}
	unlock, err := lockFile(filepath.Join(dir, "lock")) // It takes a minute of both cores; once is enough.
	if err != nil {
		return "", fmt.Errorf("place for FerretDB: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(program); err == nil {
		return program, nil // Somebody else has built it meanwhile.
	}
	// Renamed at the end, so that no half-written program is ever found.
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program+".new", ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "PWD="+source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build FerretDB in %s: %w: %s", source, err, out)
	}
	if err := os.Rename(program+".new", program); err != nil {
		return "", fmt.Errorf("place for FerretDB: %w", err)
	}
	return program, nil
}

// ferretSource finds the program's folder from the folder in which the process runs, which is within the project.
func ferretSource() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the sources of FerretDB: %w", err)
	}
	for {
		source := filepath.Join(dir, "internal", "testservers", "ferretdb")
		if _, err := os.Stat(filepath.Join(source, "go.mod")); err == nil {
			return source, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the sources of FerretDB: run this in a folder of the project")
		}
		dir = parent
	}
}

// sumOf sums up the module in a folder, and the Go that builds it.
func sumOf(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil {
		return "", err
	}
	slices.Sort(files)
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(name), len(content), content)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

// lockFile waits until no other process holds the lock of that name.
func lockFile(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // That gives the lock back.
}
