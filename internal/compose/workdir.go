package compose

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"k8s-scalers/internal/caption"
)

// ErrIdle is why a worker ends that had nothing to do for a while.
var ErrIdle = errors.New("no task has come for a while")

const workDirPattern = "caption-worker-"

// WorkDir makes a private folder for temporary files below dir, which goes with the process. Those that killed processes have
// left behind are removed.
func (p *Process) WorkDir(dir string) (string, error) {
	refused := func(err error) error {
		return caption.Errorf(caption.KindInvalid, "The folder for temporary files, %s, cannot be used: %v. Choose another with CAPTIONS_WORK_DIR.", dir, err).WithCode("bad_settings")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", refused(err)
	}
	// One after the other, because a folder that was just made, and is not locked yet, looks like one that was left behind.
	turn, err := lockDir(dir, syscall.LOCK_EX)
	if err != nil {
		return "", refused(err)
	}
	defer func() { _ = turn.Close() }() // Nothing was written.
	old, err := filepath.Glob(filepath.Join(dir, workDirPattern+"*"))
	if err != nil {
		return "", refused(err)
	}
	for _, path := range old {
		if lock, err := lockDir(path, syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			_ = os.RemoveAll(path) // The next worker tries again.
			_ = lock.Close()       // Nothing was written.
		}
	}
	path, err := os.MkdirTemp(dir, workDirPattern)
	if err != nil {
		return "", refused(err)
	}
	lock, err := lockDir(path, syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return "", refused(err)
	}
	p.App.OnClose("temporary files", 5*time.Second, func(context.Context) error {
		return errors.Join(os.RemoveAll(path), lock.Close())
	})
	return path, nil
}

// lockDir locks a folder: one that no living process has locked, or, without LOCK_NB, when none has any more.
func lockDir(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
