package blob

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"k8s-scalers/internal/caption"
)

// Ping returns nil when the server has the bucket and lets us in.
func (b *Bucket) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.c.Bucket})
	return fault("look up bucket "+b.c.Bucket, err)
}

// Ensure makes the bucket ready: it creates one that does not exist, where that is allowed, and lets pages of the given
// origins ("*": of any) send parts and play videos. Presigned addresses protect the objects, so that "*" gives nothing away.
// Servers that know nothing of such rules, and credentials that may not set them, are noted in the log and are no error.
func (b *Bucket) Ensure(ctx context.Context, origins ...string) error {
	_, err := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.c.Bucket})
	if caption.KindOf(fault("", err)) == caption.KindNotFound {
		err = b.create(ctx)
	}
	if err != nil {
		return fault("look up bucket "+b.c.Bucket, err)
	}
	if len(origins) == 0 {
		return nil
	}
	_, err = b.client.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: &b.c.Bucket, CORSConfiguration: &types.CORSConfiguration{
		CORSRules: []types.CORSRule{{
			AllowedOrigins: origins,
			AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPut},
			AllowedHeaders: []string{"*"},
			ExposeHeaders:  []string{"ETag", "Content-Length", "Content-Range", "Accept-Ranges"},
			MaxAgeSeconds:  aws.Int32(3600),
		}},
	}})
	if notForUs(err) {
		b.c.Logger.InfoContext(ctx, "the bucket's rules for other origins were left as they are", "bucket", b.c.Bucket, "error", err)
		return nil
	}
	return fault("set rules for other origins of bucket "+b.c.Bucket, err)
}

func (b *Bucket) create(ctx context.Context) error {
	in := &s3.CreateBucketInput{Bucket: &b.c.Bucket}
	if region := b.client.Options().Region; b.c.Endpoint == "" && region != "us-east-1" {
		// Amazon wants to be told, except in the region where it all began.
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	_, err := b.client.CreateBucket(ctx, in)
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		switch e.ErrorCode() {
		case "BucketAlreadyOwnedByYou": // Another replica was faster.
			return nil
		case "AccessDenied":
			return caption.Errorf(caption.KindInvalid, "The bucket %s does not exist, and these credentials may not create it. Create it first.", b.c.Bucket).
				WithCode("no_bucket").WithCause(err)
		}
	}
	return err //nolint:wrapcheck // The caller does.
}

// notForUs tells whether a server does not know a request, or does not let us make it.
func notForUs(err error) bool {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		switch e.ErrorCode() {
		case "NotImplemented", "MethodNotAllowed", "AccessDenied":
			return true
		}
	}
	e, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && e.HTTPStatusCode() == http.StatusNotImplemented
}
