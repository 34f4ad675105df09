package embeddeds3

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
)

// inProgress is the end of the name that versitygw gives to the folder of an upload while it makes an object of the parts. It is
// <upload id>.<mark><inProgress>.
const inProgress = ".inprogress"

// mend puts in order what a process that was killed has left in the folder: uploads that were being completed can be
// completed again, and half-written files are removed. Nothing else may use the folder meanwhile.
func mend(root string, store meta.MetadataStorer, log *slog.Logger) error {
	buckets, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("list buckets: %w", err)
	}
	for _, b := range buckets {
		if !b.IsDir() {
			if strings.HasPrefix(b.Name(), ".attributes-") { // of tryAttributes
				_ = os.Remove(filepath.Join(root, b.Name())) // It does no harm if it stays.
			}
			continue
		}
		m := mender{bucket: b.Name(), dir: filepath.Join(root, b.Name()), meta: store, log: log}
		if err := m.bucketFolder(); err != nil {
			return err
		}
	}
	return nil
}

// mender mends one bucket.
type mender struct {
	bucket, dir string
	meta        meta.MetadataStorer
	log         *slog.Logger
}

func (m mender) bucketFolder() error {
	// Whole objects are written as files here, and get their name when they are finished.
	if err := m.removeFiles(posix.MetaTmpDir); err != nil {
		return err
	}
	keys, err := readDir(filepath.Join(m.dir, posix.MetaTmpMultipartDir))
	if err != nil {
		return err
	}
	for _, key := range keys {
		if !key.IsDir() {
			continue
		}
		folder := filepath.Join(posix.MetaTmpMultipartDir, key.Name())
		if _, err := m.meta.RetrieveAttribute(nil, m.bucket, folder, nameAttribute); errors.Is(err, meta.ErrNoSuchKey) {
			if err := os.RemoveAll(filepath.Join(m.dir, folder)); err != nil { // parts that nobody can find any more
				return fmt.Errorf("remove parts without an upload: %w", err)
			}
			continue
		}
		if err := m.removeFiles(folder); err != nil { // parts that were being written
			return err
		}
		uploads, err := readDir(filepath.Join(m.dir, folder))
		if err != nil {
			return err
		}
		for _, u := range uploads {
			if u.IsDir() && strings.HasSuffix(u.Name(), inProgress) {
				if err := m.reopen(folder, u.Name()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// reopen gives an upload that was being completed its name back. versitygw would say for ever that it is being completed. Where the
// object had its name already, the upload is a left-over that its owner aborts.
func (m mender) reopen(folder, name string) error {
	id, _, _ := strings.Cut(name, ".")
	m.log.Info("an upload was being completed when the process ended; it can be completed again", "bucket", m.bucket, "upload", id)
	if err := os.Rename(filepath.Join(m.dir, folder, name), filepath.Join(m.dir, folder, id)); err != nil {
		return fmt.Errorf("reopen upload %s: %w", id, err)
	}
	if err := m.meta.RenameObject(m.bucket, filepath.Join(folder, name), filepath.Join(folder, id)); err != nil {
		return fmt.Errorf("reopen upload %s: %w", id, err)
	}
	return nil
}

// removeFiles removes the files of a folder, but not its folders.
func (m mender) removeFiles(folder string) error {
	files, err := readDir(filepath.Join(m.dir, folder))
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		if err := os.Remove(filepath.Join(m.dir, folder, f.Name())); err != nil {
			return fmt.Errorf("remove half-written file: %w", err)
		}
	}
	return nil
}

// readDir is os.ReadDir, except that a folder that does not exist is empty.
func readDir(dir string) ([]fs.DirEntry, error) {
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list %s: %w", filepath.Base(dir), err)
	}
	return list, nil
}
