package backend

import (
	"context"
	"log/slog"
	"net/http"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/blob/embeddeds3"
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
