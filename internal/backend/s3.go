package backend

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/blob/embeddeds3"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/config"
)

// EmbeddedS3 is an S3 server in this process, with a bucket in it. Presigned URLs of the bucket have the origin of the
// request that they are made for, because clients reach the server through the gateway. The process's working directory changes to
// the folder: see package embeddeds3.
type EmbeddedS3 struct {
	Bucket *blob.Bucket
	server *embeddeds3.Server
}

// NewEmbeddedS3 prepares the server over a folder, of which dir is the absolute path. The server runs in Run.
func NewEmbeddedS3(ctx context.Context, dir, bucket string, log *slog.Logger) (*EmbeddedS3, error) {
	s, err := embeddeds3.New(embeddeds3.Config{Dir: dir, Logger: log})
	if err != nil {
		return nil, err
	}
	b, err := blob.Open(ctx, blob.Config{
		Bucket: bucket, Endpoint: embeddeds3.Endpoint, PathStyle: true,
		AccessKey: s.AccessKey(), SecretKey: s.SecretKey(), HTTPClient: s.HTTPClient(), Logger: log,
	})
	if err != nil {
		return nil, err
	}
	return &EmbeddedS3{Bucket: b, server: s}, nil
}

// Run serves until ctx ends.
func (e *EmbeddedS3) Run(ctx context.Context) error { return e.server.Run(ctx) }

// Handler is the server's HTTP interface, for clients outside.
func (e *EmbeddedS3) Handler() http.Handler { return e.server.Handler() }

// OpenBucket opens a bucket of Amazon S3, or of another server that speaks its protocol. Presigned URLs have the address by which
// clients reach that server.
func OpenBucket(ctx context.Context, s config.S3, log *slog.Logger) (*blob.Bucket, error) {
	return blob.Open(ctx, blob.Config{
		Bucket: s.BucketName, Region: s.Region, Endpoint: string(s.Endpoint), PublicEndpoint: string(cmp.Or(s.PublicEndpoint, s.Endpoint)),
		PathStyle: s.PathStyle, AccessKey: s.AccessKeyID, SecretKey: s.SecretAccessKey, Logger: log,
	})
}

// MediaOrigins are the origins that browsers exchange videos with. They are empty where nobody has said which bucket it is.
func MediaOrigins(ctx context.Context, b config.Bucket) ([]string, error) {
	if b.BucketName == "" {
		return nil, nil
	}
	// Who signs changes nothing in the address.
	s := config.S3{Bucket: b, AccessKeyID: "nobody", SecretAccessKey: "nothing"}
	bucket, err := OpenBucket(ctx, s, nil)
	if err != nil {
		return nil, err
	}
	signed, err := bucket.PresignGet(ctx, caption.MediaURL{Key: "video", Expires: time.Minute})
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(signed)
	if err != nil {
		return nil, fmt.Errorf("address of videos: %w", err)
	}
	return []string{u.Scheme + "://" + u.Host}, nil
}
