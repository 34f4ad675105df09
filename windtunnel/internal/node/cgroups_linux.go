package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// cgroup is the folder that all pods are below, in every hierarchy.
const cgroup = "captions-cluster"

// hierarchies are where cgroups are mounted: one in version 2, one a controller in version 1, and a mixture on some machines.
func hierarchies() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		const mountPoint = 4
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if ok && len(fields) > mountPoint && strings.HasPrefix(after, "cgroup") {
			found = append(found, fields[mountPoint])
		}
	}
	return found, nil
}

// makeCgroups makes the folder in every hierarchy; kubelet makes its own below.
func makeCgroups() error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := os.MkdirAll(filepath.Join(root, cgroup), 0o755); err != nil {
			return err
		}
		// In version 2 a controller is there for those below once it is switched on above.
		if available, err := os.ReadFile(filepath.Join(root, "cgroup.controllers")); err == nil {
			for name := range strings.FieldsSeq(string(available)) {
				if !slices.Contains([]string{"cpu", "cpuset", "memory", "pids"}, name) {
					continue
				}
				for _, dir := range []string{root, filepath.Join(root, cgroup)} {
					if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0o644); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// removeCgroups removes the folders. The kernel is a moment late in noticing that their processes have ended.
func removeCgroups() error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, root := range roots {
		errs = append(errs, removeCgroup(filepath.Join(root, cgroup)))
	}
	return errors.Join(errs...)
}

func removeCgroup(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		err := syscall.Rmdir(dir)
		for end := time.Now().Add(10 * time.Second); errors.Is(err, syscall.EBUSY) && time.Now().Before(end); err = syscall.Rmdir(dir) {
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil && !errors.Is(err, syscall.ENOENT) {
			return &fs.PathError{Op: "remove", Path: dir, Err: err}
		}
	}
	return nil
}
