package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/testservers"
)

// objectServerCommand makes this program serve a plain object store; see [serveObjects].
const objectServerCommand = "serve-objects"

const (
	accessKey = "bench"
	secretKey = "bench-secret"
	bucket    = "videos"
)

// serveObjects serves a folder by S3 on an address until standard input ends, which it does when the parent dies. The
// object store is a process of its own because there can be one in a process only, and it changes the working directory.
func serveObjects(folder, addr string) error {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // Any end of it means the same.
		stop()
	}()
	store, err := posix.New(folder, meta.XattrMeta{}, posix.PosixOpts{CopyObjectThreshold: 5 << 30})
	if err != nil {
		return fmt.Errorf("open the object store: %w", err)
	}
	err = embedgw.RunVersityGW(ctx, store, &embedgw.Config{
		RootUserAccess: accessKey, RootUserSecret: secretKey, Ports: []string{addr},
		MaxConnections: 1024, MaxRequests: 512, MultipartMaxParts: 10000, KeepAlive: true, Quiet: true,
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve the object store: %w", err)
	}
	return nil
}

// objects is a plain object store in a process of its own.
type objects struct {
	dir   string
	s3    *s3.Client
	sign  *s3.PresignClient
	http  *http.Client
	cmd   *exec.Cmd
	alive io.Closer // the child's standard input
}

// startObjects starts a store and makes its bucket.
func startObjects(ctx context.Context, dir string) (*objects, error) {
	folder := filepath.Join(dir, "objects")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	addr, err := testservers.FreeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	o := &objects{dir: folder, cmd: command(ctx, self, objectServerCommand, folder, addr), http: httpFrom(0)}
	o.cmd.Stderr = os.Stderr
	if o.alive, err = o.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	if err := o.cmd.Start(); err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	o.s3 = s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + addr), UsePathStyle: true, HTTPClient: o.http,
		Credentials:                credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
	o.sign = s3.NewPresignClient(o.s3)
	for try := 0; ; try++ {
		_, err := o.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
		if err == nil {
			return o, nil
		}
		if try == 50 || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("object store: %w", err), o.stop())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (o *objects) stop() error {
	_ = o.alive.Close() // It is closed already when the child has ended.
	if err := o.cmd.Wait(); err != nil {
		return fmt.Errorf("object store: %w", err)
	}
	return nil
}

// path is the file of an object.
func (o *objects) path(key string) string { return filepath.Join(o.dir, bucket, key) }

// upload sends a file in parts by presigned URLs, several at a time, as the platform's client does. It tells when all are there.
func (o *objects) upload(ctx context.Context, path, key string, partSize int64, parallel int, sent func()) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at file: %w", err)
	}
	up, err := o.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err != nil {
		return fmt.Errorf("create upload: %w", err)
	}
	parts := make([]types.CompletedPart, (st.Size()+partSize-1)/partSize)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range parts {
		g.Go(func() error {
			number, offset := int32(i+1), int64(i)*partSize
			etag, err := o.put(gctx, &s3.UploadPartInput{Bucket: aws.String(bucket), Key: aws.String(key), UploadId: up.UploadId, PartNumber: &number},
				io.NewSectionReader(f, offset, min(partSize, st.Size()-offset)))
			parts[i] = types.CompletedPart{ETag: &etag, PartNumber: &number}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	sent()
	_, err = o.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String(key),
		UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil {
		return fmt.Errorf("complete upload: %w", err)
	}
	return nil
}

func (o *objects) put(ctx context.Context, part *s3.UploadPartInput, body *io.SectionReader) (etag string, err error) {
	signed, err := o.sign.PresignUploadPart(ctx, part)
	if err != nil {
		return "", fmt.Errorf("sign part: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, signed.URL, body)
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	req.ContentLength = body.Size()
	res, err := o.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("send part: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // It was only read.
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("send part: %s", res.Status)
	}
	return res.Header.Get("ETag"), nil
}

func (o *objects) remove(ctx context.Context, key string) error {
	if _, err := o.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)}); err != nil {
		return fmt.Errorf("delete object: %w", err)
	}
	return nil
}
