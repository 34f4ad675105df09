package embeddeds3

import (
	"bytes"
	"crypto/md5" //nolint:gosec // The sum of S3.
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
//
// rebooted says that the machine has started anew since the folder was last used.
func mend(root string, store meta.MetadataStorer, rebooted bool, log *slog.Logger) error {
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
		m := mender{bucket: b.Name(), dir: filepath.Join(root, b.Name()), meta: store, rebooted: rebooted, log: log}
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
	rebooted    bool
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
			if !u.IsDir() {
				continue
			}
			id := u.Name()
			if strings.HasSuffix(id, inProgress) {
				if id, err = m.reopen(folder, id); err != nil {
					return err
				}
			}
			if m.rebooted {
				if err := m.verify(filepath.Join(folder, id)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// reopen gives an upload that was being completed its name back. versitygw would say for ever that it is being completed. Where the
// object had its name already, the upload is a left-over that its owner aborts.
func (m mender) reopen(folder, name string) (id string, err error) {
	id, _, _ = strings.Cut(name, ".")
	m.log.Info("an upload was being completed when the process ended; it can be completed again", "bucket", m.bucket, "upload", id)
	if err := os.Rename(filepath.Join(m.dir, folder, name), filepath.Join(m.dir, folder, id)); err != nil {
		return id, fmt.Errorf("reopen upload %s: %w", id, err)
	}
	if err := m.meta.RenameObject(m.bucket, filepath.Join(folder, name), filepath.Join(folder, id)); err != nil {
		return id, fmt.Errorf("reopen upload %s: %w", id, err)
	}
	return id, nil
}

// verify removes the parts of an upload whose content is not what was acknowledged. A power cut may have taken what the
// kernel had not written yet, and left zeros. The client sends such parts again.
func (m mender) verify(folder string) error {
	parts, err := readDir(filepath.Join(m.dir, folder))
	if err != nil {
		return err
	}
	for _, p := range parts {
		if p.IsDir() {
			continue
		}
		part := filepath.Join(folder, p.Name())
		sum, err := md5Of(filepath.Join(m.dir, part))
		if err != nil {
			return err
		}
		tag, err := m.meta.RetrieveAttribute(nil, m.bucket, part, etagAttribute)
		if err == nil && strings.Trim(string(tag), `"`) == sum {
			continue
		}
		if err != nil && !errors.Is(err, meta.ErrNoSuchKey) {
			return fmt.Errorf("read the sum of a part: %w", err)
		}
		m.log.Warn("a part of an upload was damaged when the machine stopped; it will be sent again", "bucket", m.bucket, "part", p.Name())
		if err := os.Remove(filepath.Join(m.dir, part)); err != nil {
			return fmt.Errorf("remove damaged part: %w", err)
		}
		if err := m.meta.DeleteAttributes(m.bucket, part); err != nil && !errors.Is(err, meta.ErrNoSuchKey) {
			return fmt.Errorf("remove damaged part: %w", err)
		}
	}
	return nil
}

// etagAttribute is the attribute in which versitygw keeps the MD5 sum of a part.
const etagAttribute = "etag"

func md5Of(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read part: %w", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	sum := md5.New()                 //nolint:gosec // The sum of S3.
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read part: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// bootFile holds the identity of the machine's last start.
const bootFile = "boot"

// rebooted tells whether the machine has started anew since the folder was last used; also where that cannot be known.
func rebooted(dir string) (bool, error) {
	now, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return true, nil //nolint:nilerr // Not every system has it.
	}
	before, err := os.ReadFile(filepath.Join(dir, bootFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read when the storage was last used: %w", err)
	}
	return !bytes.Equal(before, now), nil
}

// noteBoot remembers that everything has been looked at since the machine started.
func noteBoot(dir string) error {
	now, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil //nolint:nilerr // Not every system has it.
	}
	if err := os.WriteFile(filepath.Join(dir, bootFile), now, 0o600); err != nil { //nolint:gosec // The folder is a setting of the operator.
		return fmt.Errorf("note that the storage is in use: %w", err)
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
