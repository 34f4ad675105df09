package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The first words of the command lines by which a program that calls [Launch] is run again inside: it must then call [Init]
// or [Supervise] with the second.
const (
	InitCommand      = "cluster-init"
	SuperviseCommand = "cluster-supervise"
)

// Init is the first process inside. It adopts what loses its parent, and ends everything when the process that supervises
// has ended. It returns what the exit status must be.
func Init(told string) int {
	var p plan
	if err := json.Unmarshal([]byte(told), &p); err != nil {
		return fail(err)
	}
	if err := mountInside(p.Dir); err != nil {
		return fail(fmt.Errorf("mounts of the cluster: %w", err))
	}
	out := os.NewFile(reportFD, "report")
	// The standard input, whose end is the order to end, and the report are handed on.
	// It is this very program, and what it is told comes from the front, which is this program, too.
	supervisor, err := os.StartProcess("/proc/self/exe", []string{"cluster", SuperviseCommand, told}, &os.ProcAttr{
		Dir: ".", Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, out},
	})
	if err != nil {
		return fail(err)
	}
	_ = out.Close() // So that the front notices when the supervisor ends without a report.
	status := reapUntil(supervisor.Pid)
	_ = unix.Kill(-1, unix.SIGKILL) // There may be nobody.
	reapUntil(0)
	// When the front lives, it clears up after us; when it was killed, nobody else does.
	if err := errors.Join(unmountBelow(p.Dir), clean(p.Dir)); err != nil && !errors.Is(err, unix.EBUSY) {
		return fail(err)
	}
	return status
}

// reportFD is where the front reads the report.
const reportFD = 3

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "cluster:", err)
	return 1
}

// reapUntil takes note of ended children until a certain one, or with 0 the last, has ended.
func reapUntil(pid int) int {
	for {
		var status unix.WaitStatus
		ended, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil, ended == pid:
			return status.ExitStatus()
		}
	}
}

// mountInside makes the machine's files such that nothing of the cluster is written outside of its folder, although many
// paths are fixed in the programs.
func mountInside(dir string) error {
	home := filepath.Dir(dir)
	kept, err := unix.Open(home, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(kept) }()
	logs := filepath.Join(dir, "log")
	for _, d := range []string{logs, filepath.Join(dir, "lib")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	resolv := filepath.Join(dir, "resolv.conf")
	// The programs on the node use the cluster's own names, as its pods do.
	text := "nameserver " + dnsIP + "\nsearch svc.cluster.local cluster.local\noptions ndots:5\n"
	if err := os.WriteFile(resolv, []byte(text), 0o644); err != nil {
		return err
	}
	var errs []error
	mount := func(source, target, kind string, flags uintptr) {
		if err := unix.Mount(source, target, kind, flags, ""); err != nil {
			errs = append(errs, fmt.Errorf("mount %s: %w", target, err))
		}
	}
	mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE)
	mount("proc", "/proc", "proc", 0)
	mount(logs, "/var/log", "", unix.MS_BIND)
	for _, folder := range []string{"/run", "/var/lib"} {
		mount("tmpfs", folder, "tmpfs", 0)
	}
	// It is there again, should it have been below one of those; and kubelet wants to share mounts with containers.
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	mount(fmt.Sprintf("/proc/self/fd/%d", kept), home, "", unix.MS_BIND|unix.MS_REC)
	mount("", home, "", unix.MS_REC|unix.MS_SHARED)
	target, err := resolvConf()
	if err != nil {
		return err
	}
	mount(resolv, target, "", unix.MS_BIND)
	return errors.Join(errs...)
}

// resolvConf is the file that /etc/resolv.conf leads to, made where it is gone with the old /run.
func resolvConf() (string, error) {
	path := "/etc/resolv.conf"
	if link, err := os.Readlink(path); err == nil {
		if path = link; !filepath.IsAbs(path) {
			path = filepath.Join("/etc", path)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	return path, f.Close()
}

// unmountBelow takes down all mounts below a folder, the last first.
func unmountBelow(dir string) error {
	mounts, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range slices.Backward(mounts) {
		if err := unix.Unmount(m, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) { // Gone with another.
			errs = append(errs, fmt.Errorf("unmount %s: %w", m, err))
		}
	}
	return errors.Join(errs...)
}

// mountsBelow lists the mounts below a folder in the order in which they were made.
func mountsBelow(dir string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		const mountPoint = 4
		if fields := strings.Fields(line); len(fields) > mountPoint && strings.HasPrefix(fields[mountPoint], dir+"/") {
			found = append(found, fields[mountPoint])
		}
	}
	return found, nil
}

// clean removes the folder of a cluster that has ended, and its cgroups. What is still mounted into the folder may be the
// machine's own files, so nothing is removed until nothing is.
func clean(dir string) error {
	switch mounts, err := mountsBelow(dir); {
	case err != nil:
		return err
	case len(mounts) > 0:
		return fmt.Errorf("%s cannot be removed: %s is still mounted: %w", dir, mounts[0], unix.EBUSY)
	}
	return errors.Join(os.RemoveAll(dir), removeCgroups(), unlinkOutside())
}
