package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"k8s-scalers/internal/caption"
)

// Put stores an object. It reads body from its start, more than once where a try fails. Objects above 5 GiB
// need a multipart upload.
func (b *Bucket) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, contentType string) error {
	in := &s3.PutObjectInput{Bucket: &b.c.Bucket, Key: &key, Body: body, ContentLength: &size}
	if contentType != "" {
		in.ContentType = &contentType
	}
	_, err := b.client.PutObject(ctx, in)
	return fault("store object "+key, err)
}

// Get returns the content of an object and its size. The caller closes it. A body that ends before size is an error of
// its reader, so that half an object is not taken for a whole one.
func (b *Bucket) Get(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.c.Bucket, Key: &key})
	if err != nil {
		return nil, 0, fault("read object "+key, err)
	}
	if out.ContentLength == nil {
		_ = out.Body.Close() // Nothing was read.
		return nil, 0, unavailable(fmt.Errorf("read object %s: the server does not tell its size", key))
	}
	return out.Body, *out.ContentLength, nil
}

// Head returns what is known of an object.
func (b *Bucket) Head(ctx context.Context, key string) (caption.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.c.Bucket, Key: &key})
	if err != nil {
		return caption.Object{}, fault("look up object "+key, err)
	}
	if out.ContentLength == nil {
		return caption.Object{}, unavailable(fmt.Errorf("look up object %s: the server does not tell its size", key))
	}
	return caption.Object{Key: key, Size: *out.ContentLength, Modified: aws.ToTime(out.LastModified), ContentType: aws.ToString(out.ContentType)}, nil
}

// Delete removes an object. One that does not exist is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.c.Bucket, Key: &key})
	if err = fault("delete object "+key, err); caption.KindOf(err) == caption.KindNotFound {
		return nil
	}
	return err
}

// DeletePrefix removes all objects whose keys begin with prefix, which must not be empty. It goes on after objects that
// cannot be deleted, and then returns what went wrong with them.
func (b *Bucket) DeletePrefix(ctx context.Context, prefix string) error {
	if prefix == "" {
		return errors.New("delete objects: an empty prefix would empty the bucket")
	}
	var failures error
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.c.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := nextPage(ctx, pages.NextPage)
		if err != nil {
			return errors.Join(failures, fault("list objects of "+prefix, err))
		}
		if len(page.Contents) == 0 {
			continue
		}
		batch := make([]types.ObjectIdentifier, len(page.Contents))
		for i, o := range page.Contents {
			batch[i] = types.ObjectIdentifier{Key: o.Key}
		}
		out, err := b.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &b.c.Bucket, Delete: &types.Delete{Objects: batch, Quiet: aws.Bool(true)}})
		if err != nil {
			return errors.Join(failures, fault("delete objects of "+prefix, err))
		}
		for _, e := range out.Errors {
			if code := aws.ToString(e.Code); code != "NoSuchKey" {
				failures = errors.Join(failures, unavailable(fmt.Errorf("delete object %s: %s: %s", aws.ToString(e.Key), code, aws.ToString(e.Message))))
			}
		}
	}
	return failures
}

// List yields all objects whose keys begin with prefix, in the order of their keys. It ends after the first error.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[caption.Object, error] {
	return func(yield func(caption.Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.c.Bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := nextPage(ctx, pages.NextPage)
			if err != nil {
				yield(caption.Object{}, fault("list objects of "+prefix, err))
				return
			}
			for _, o := range page.Contents {
				if !yield(caption.Object{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

const (
	// downloadTries is how often in a row a download may break off without having got any further.
	downloadTries  = 4
	downloadBuffer = 256 << 10
)

// Download copies an object to a new file. Where the connection breaks it goes on from where it was, unless the object has changed
// meanwhile. The file has the object's size when Download returns nil, and is removed otherwise.
func (b *Bucket) Download(ctx context.Context, key, path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return diskFault("create file", err)
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = diskFault("write file", closed)
		}
		if err != nil {
			_ = os.Remove(path) // The error that is returned says more.
		}
	}()
	d := download{b: b, key: key, f: f, size: -1, buf: make([]byte, downloadBuffer)}
	for tries := 0; ; {
		before := d.at
		err := d.more(ctx)
		if err == nil {
			return nil
		}
		if tries++; d.at > before {
			tries = 1
		}
		if ctx.Err() != nil || caption.CodeOf(err) != codeBroken || tries >= downloadTries {
			return err
		}
		b.c.Logger.WarnContext(ctx, "download broke off; going on", "key", key, "at", d.at, "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("read object %s: %w", key, ctx.Err())
		case <-time.After(100 * time.Millisecond << tries):
		}
	}
}

// codeBroken is the code of a download that can be gone on with.
const codeBroken = "storage_connection"

// download is the state of a download between its connections.
type download struct {
	b    *Bucket
	key  string
	f    *os.File
	buf  []byte
	at   int64  // how much the file has
	size int64  // of the object; -1 while it is not known
	etag string // of the object when the download began
}

// more reads until the end of the object, or of the connection.
func (d *download) more(ctx context.Context) error {
	in := &s3.GetObjectInput{Bucket: &d.b.c.Bucket, Key: &d.key}
	if d.at > 0 {
		in.Range, in.IfMatch = aws.String(fmt.Sprintf("bytes=%d-", d.at)), &d.etag
	}
	out, err := d.b.client.GetObject(ctx, in)
	if err != nil {
		return fault("read object "+d.key, err)
	}
	defer func() { _ = out.Body.Close() }() // It was only read.
	if out.ContentLength == nil {
		return unavailable(fmt.Errorf("read object %s: the server does not tell its size", d.key))
	}
	switch size := d.at + *out.ContentLength; {
	case d.size < 0:
		d.size, d.etag = size, aws.ToString(out.ETag)
	case d.size != size:
		return unavailable(fmt.Errorf("read object %s: it had %d bytes and has %d", d.key, d.size, size))
	}
	// The wrapper hides ReadFrom, which would use a small buffer of its own.
	n, err := io.CopyBuffer(diskWriter{d.f}, out.Body, d.buf)
	d.at += n
	switch _, full := errors.AsType[*caption.Error](err); {
	case full, ctx.Err() != nil && err != nil:
		return fmt.Errorf("read object %s: %w", d.key, err)
	case err != nil || d.at < d.size:
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return caption.Errorf(caption.KindUnavailable, "The storage broke off while it sent the file. Try again.").WithCode(codeBroken).
			WithCause(fmt.Errorf("read object %s: %d of %d bytes: %w", d.key, d.at, d.size, err))
	case d.at > d.size:
		return unavailable(fmt.Errorf("read object %s: %d bytes instead of %d", d.key, d.at, d.size))
	}
	return nil
}

// diskWriter marks errors of the disk, to tell them from those of the connection.
type diskWriter struct{ f *os.File }

func (w diskWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if err != nil {
		err = diskFault("write file", err)
		if _, ok := errors.AsType[*caption.Error](err); !ok {
			err = caption.Errorf(caption.KindInternal, "The server's disk failed.").WithCause(err)
		}
	}
	return n, err
}
