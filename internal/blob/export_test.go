package blob

import (
	"io"
	"os"
)

// DiskWriter gives tests the writer of downloads.
func DiskWriter(f *os.File) io.Writer { return diskWriter{f} }
