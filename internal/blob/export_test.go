package blob

import (
	"io"
	"os"
	"time"
)

// DiskWriter gives tests the writer of downloads.
func DiskWriter(f *os.File) io.Writer { return diskWriter{f} }

// WithStall is for tests that do not want to wait for so long.
func (c Config) WithStall(d time.Duration) Config {
	c.stall = d
	return c
}
