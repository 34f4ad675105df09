package embeddeds3

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// durable is the posix backend, with every object that it acknowledges safe on the disk: versitygw leaves that to the kernel, so that
// a power cut would lose objects, or leave files that have their size but not their content. The content is written before
// the file gets its name, and the name before the call returns.
type durable struct {
	*posix.Posix
	meta    meta.MetadataStorer
	root    string // of the buckets
	sidecar string // of the attributes; empty where the files have them
}

func (d *durable) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	out, err := d.PutObjectWithPostFunc(ctx, in, func(f *os.File) error {
		return errors.Join(whole(f, in.ContentLength), f.Sync())
	})
	if err == nil {
		err = d.syncName(*in.Bucket, *in.Key)
	}
	return out, refusal(err)
}

// whole checks that a file is complete before it gets its name. versitygw takes the end of a broken connection for the end
// of the body, and has given the file its full size before, so that the rest would be zeros.
func whole(f *os.File, size *int64) error {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("look how much was written: %w", err)
	}
	if size == nil && at != 0 || size != nil && at != *size {
		return errTruncated
	}
	return nil
}

// errTruncated says that a body ended before its announced length.
var errTruncated = errors.New("the body was cut off")

// refusal makes a response of errTruncated; versitygw would call anything else an error of its own.
func refusal(err error) error {
	if errors.Is(err, errTruncated) {
		return s3err.GetAPIError(s3err.ErrIncompleteBody)
	}
	return err
}

// UploadPart stores a part. Parts alone are not written to the disk at once, because they are there only until the object
// is complete and an upload would wait for the disk twice: what a power cut has done to them, [New] finds out (see mender.verify).
func (d *durable) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	out, err := d.UploadPartWithPostFunc(ctx, in, func(f *os.File) error { return whole(f, in.ContentLength) })
	if err != nil {
		return out, refusal(err)
	}
	folder := multipartFolder(*in.Key)
	if _, err := d.meta.RetrieveAttribute(nil, *in.Bucket, folder, nameAttribute); errors.Is(err, meta.ErrNoSuchKey) {
		// The upload was aborted while this part was being sent, and storing it has made its folder anew, where nobody would find it.
		if err := os.RemoveAll(filepath.Join(d.root, *in.Bucket, folder)); err != nil {
			return nil, fmt.Errorf("remove part of an aborted upload: %w", err)
		}
		return nil, s3err.GetNoSuchUploadErr(*in.UploadId)
	}
	return out, nil
}

// nameAttribute is the attribute by which versitygw knows whose parts a folder holds.
const nameAttribute = "objname"

// multipartFolder is where versitygw keeps the parts of uploads of a key, from the bucket on.
func multipartFolder(key string) string {
	return filepath.Join(posix.MetaTmpMultipartDir, fmt.Sprintf("%x", sha256.Sum256([]byte(key))))
}

func (d *durable) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	left := 0
	if in.MultipartUpload != nil {
		left = len(in.MultipartUpload.Parts)
	}
	out, version, err := d.CompleteMultipartUploadWithCopy(ctx, in, func(from, to *os.File) (bool, error) {
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
	return out, version, err //nolint:wrapcheck // versitygw makes responses of its own errors.
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
