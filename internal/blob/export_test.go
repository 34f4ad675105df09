package blob

import (
	"io"
	"os"
	"testing"
	"time"
)

// DiskWriter gives tests the writer of downloads.
func DiskWriter(f *os.File) io.Writer { return diskWriter{f} }

// SetStall is for tests that do not want to wait for so long.
func SetStall(t testing.TB, d time.Duration) {
	before := stall
	stall = d
	t.Cleanup(func() { stall = before })
}
