package embeddeds3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3response"
)

// durable is the posix backend, with everything that it acknowledges safe on the disk: versitygw leaves that to the kernel, so that
// a power cut would lose objects, or leave files that have their size but not their content. Each method writes the
// content before the file gets its name, and the name before it returns.
type durable struct {
	*posix.Posix
	root    string // of the buckets
	sidecar string // of the attributes; empty where the files have them
}

func (d *durable) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	out, err := d.Posix.PutObjectWithPostFunc(ctx, in, (*os.File).Sync)
	if err == nil {
		err = d.syncName(*in.Bucket, *in.Key)
	}
	return out, err //nolint:wrapcheck // versitygw makes responses of its own errors.
}

// UploadPart makes parts durable too. Otherwise a part could be listed after a power cut with its size but zeros for its content, and
// be made part of an object.
func (d *durable) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	return d.Posix.UploadPartWithPostFunc(ctx, in, (*os.File).Sync) //nolint:wrapcheck // as above
}

func (d *durable) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	left := 0
	if in.MultipartUpload != nil {
		left = len(in.MultipartUpload.Parts)
	}
	out, version, err := d.Posix.CompleteMultipartUploadWithCopy(ctx, in, func(from, to *os.File) (bool, error) {
		// The parts are removed as soon as the object has its name, so it must be on the disk before.
		err := appendFile(from, to)
		if left--; err == nil && left == 0 {
			err = to.Sync()
		}
		return true, err
	})
	if err == nil {
		err = d.syncName(*in.Bucket, *in.Key)
	}
	return out, version, err //nolint:wrapcheck // as above
}

// appendFile copies one file to the end of another, in the kernel. versitygw copies again what failed, so a failure leaves nothing.
func appendFile(from, to *os.File) error {
	end, err := to.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("append part: %w", err)
	}
	if _, err := io.Copy(to, from); err != nil {
		_, back := from.Seek(0, io.SeekStart)
		return fmt.Errorf("append part: %w", errors.Join(err, to.Truncate(end), back))
	}
	return nil
}

// syncName makes the name of an object durable, with all folders on the way to it, and its attributes.
func (d *durable) syncName(bucket, key string) error {
	path := filepath.Join(d.root, bucket, key)
	if d.sidecar != "" {
		if err := syncTree(filepath.Join(d.sidecar, bucket, key)); err != nil {
			return err
		}
		if err := syncUp(filepath.Dir(filepath.Join(d.sidecar, bucket, key)), d.sidecar); err != nil {
			return err
		}
	} else if err := syncDir(path); err != nil { // the attributes of the file itself
		return err
	}
	return syncUp(filepath.Dir(path), d.root)
}

// syncUp makes the entries of dir and of the folders above it durable, up to root.
func syncUp(dir, root string) error {
	for dir == root || strings.HasPrefix(dir, root+string(filepath.Separator)) {
		if err := syncDir(dir); err != nil {
			return err
		}
		dir = filepath.Dir(dir)
	}
	return nil
}

// syncTree makes the files and folders below dir durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error { //nolint:wrapcheck // syncDir wraps.
		if err != nil {
			return err
		}
		return syncDir(path)
	})
}

// syncDir makes a folder's entries durable, or a file's content. What has been removed meanwhile needs it no more.
func syncDir(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("make %s durable: %w", filepath.Base(path), err)
	}
	return nil
}
