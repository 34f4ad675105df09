package embeddeds3

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/versity/versitygw/backend/meta"
)

// metadata returns what keeps the attributes of objects: extended attributes of their files, or, where the file system has
// none, a folder of files beside them, whose path is returned too. A folder that was begun one way stays with it.
func metadata(dir string, log *slog.Logger) (store meta.MetadataStorer, sidecar string, err error) {
	beside := filepath.Join(dir, metaDir)
	_, err = os.Stat(beside)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := tryAttributes(filepath.Join(dir, objectsDir)); err == nil {
			return compact{meta.XattrMeta{}}, "", nil
		}
		log.Info("the file system has no extended attributes; keeping those of objects in files", "folder", beside)
		if err := os.Mkdir(beside, 0o700); err != nil {
			return nil, "", fmt.Errorf("create the storage's folder of attributes: %w", err)
		}
	case err != nil:
		return nil, "", fmt.Errorf("look up the storage's folder of attributes: %w", err)
	}
	files, err := meta.NewSideCar(beside)
	if err != nil {
		return nil, "", fmt.Errorf("open the storage's folder of attributes: %w", err)
	}
	return compact{files}, beside, nil
}

// tryAttributes finds out whether files in dir can have attributes, by giving one to a file. Reading alone does not tell.
func tryAttributes(dir string) error {
	f, err := os.CreateTemp(dir, ".attributes-*")
	if err != nil {
		return fmt.Errorf("try extended attributes: %w", err)
	}
	defer func() {
		_ = f.Close()           // Nothing was written.
		_ = os.Remove(f.Name()) // mend removes what stays.
	}()
	return meta.XattrMeta{}.StoreAttribute(f, "", "", "captions-try", []byte("1")) //nolint:wrapcheck // Only whether there is one matters.
}

const (
	// partsAttribute is where versitygw notes the ends of the parts that an object was made of. They serve to read an object by
	// the numbers of its parts, which nobody here does.
	partsAttribute = "mp-metadata"
	// maxPartsAttribute is how much of it is kept, in bytes. Ext4 has about 4,000 bytes for all attributes of a file; uploads of
	// 700 parts and more would fail at their end with "no space left on device".
	maxPartsAttribute = 2 << 10
)

// compact leaves out the one attribute that grows with the object where it gets too large.
type compact struct{ meta.MetadataStorer }

func (c compact) StoreAttribute(f *os.File, bucket, object, attribute string, value []byte) error {
	if attribute == partsAttribute && len(value) > maxPartsAttribute {
		return nil
	}
	return c.MetadataStorer.StoreAttribute(f, bucket, object, attribute, value) //nolint:wrapcheck // versitygw compares its errors.
}
