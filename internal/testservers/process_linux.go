package testservers

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// capDACReadSearch is the capability to pass through folders of others.
const capDACReadSearch = 2

// attributes also make the system end the program when this process is killed. A program that runs as somebody else may still
// pass through the folders above its own, which may be closed to that user.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: as}
	if as != nil {
		a.AmbientCaps = []uintptr{capDACReadSearch}
	}
	return a
}

// children returns the processes that a process has started.
func children(of int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // The pattern is right.
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // It has ended meanwhile.
		}
		// pid (name) state parent …; the name may have any characters.
		name := bytes.LastIndexByte(stat, ')')
		fields := strings.Fields(string(stat[name+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(of) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
