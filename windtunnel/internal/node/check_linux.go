package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cniPlugins is where Debian puts them.
const cniPlugins = "/usr/lib/cni"

// memory is what a cluster with the whole platform on it takes, with something to spare.
const memory = 5 << 30

// Check says in one sentence what a machine lacks.
func Check(ctx context.Context) error {
	if os.Getuid() != 0 {
		return fmt.Errorf("a node needs root, to make namespaces, mounts and cgroups: run this with sudo")
	}
	for _, program := range []string{"runc", "iptables", "mount", "umount"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is missing, with which a node runs pods: scripts/setup.sh cluster installs it", program)
		}
	}
	for _, plugin := range []string{"ptp", "host-local", "loopback", "portmap"} {
		if _, err := os.Stat(filepath.Join(cniPlugins, plugin)); err != nil {
			return fmt.Errorf("%s/%s is missing, with which pods get their network: scripts/setup.sh cluster installs it", cniPlugins, plugin)
		}
	}
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !strings.Contains(string(filesystems), "\toverlay\n") {
		return fmt.Errorf("the kernel has no overlayfs, on which containers lie: load the module overlay")
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return err
	}
	if err := checkMemory(info.Totalram * uint64(info.Unit)); err != nil {
		return err
	}
	if err := checkNamespaces(ctx); err != nil {
		return err
	}
	return checkCgroups()
}

func checkMemory(total uint64) error {
	if total < memory {
		return fmt.Errorf("the machine has %d MiB of memory, and a node with the platform on it takes %d", total>>20, memory>>20)
	}
	return nil
}

// namespaces are those in which the cluster lives.
const namespaces = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// checkNamespaces says whether root may make namespaces, which in most containers it may not.
func checkNamespaces(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("this machine does not let root make namespaces, in which a node lives: leave the container that this runs in, or run it privileged (%w)", err)
	}
	return nil
}

// checkCgroups says whether pods can be held to what they request.
func checkCgroups() error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, controller := range []string{"cpu", "memory"} {
		found := false
		for _, root := range roots {
			if filepath.Base(root) == controller || strings.Contains(filepath.Base(root), controller+",") {
				found = true
			}
			if names, err := os.ReadFile(filepath.Join(root, "cgroup.controllers")); err == nil && strings.Contains(" "+strings.TrimSpace(string(names))+" ", " "+controller+" ") {
				found = true
			}
		}
		if !found {
			return fmt.Errorf("the cgroup controller %s is not to be had here, so that pods could not be measured or limited: mount it, or leave the container this runs in", controller)
		}
	}
	return nil
}
