package blob

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"k8s-scalers/internal/caption"
)

// CreateMultipart begins a multipart upload and returns its id.
func (b *Bucket) CreateMultipart(ctx context.Context, key, contentType string) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	in := &s3.CreateMultipartUploadInput{Bucket: &b.c.Bucket, Key: &key}
	if contentType != "" {
		in.ContentType = &contentType
	}
	out, err := b.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", fault("begin upload of "+key, err)
	}
	if aws.ToString(out.UploadId) == "" {
		return "", unavailable(fmt.Errorf("begin upload of %s: the server gave no id", key))
	}
	return *out.UploadId, nil
}

// ListParts returns the parts of a multipart upload that have arrived, by number. The code of the error for an upload that
// does not exist (any more) is no_such_multipart.
func (b *Bucket) ListParts(ctx context.Context, key, id string) ([]caption.Part, error) {
	parts := []caption.Part{}
	pages := s3.NewListPartsPaginator(b.client, &s3.ListPartsInput{Bucket: &b.c.Bucket, Key: &key, UploadId: &id})
	for pages.HasMorePages() {
		page, err := nextPage(ctx, pages.NextPage)
		if err != nil {
			return nil, fault("list parts of "+key, err)
		}
		for _, p := range page.Parts {
			parts = append(parts, caption.Part{Number: int(aws.ToInt32(p.PartNumber)), Size: aws.ToInt64(p.Size), ETag: aws.ToString(p.ETag)})
		}
	}
	slices.SortFunc(parts, func(a, b caption.Part) int { return cmp.Compare(a.Number, b.Number) })
	return parts, nil
}

// nextPage reads a page of a list.
func nextPage[P any](ctx context.Context, read func(context.Context, ...func(*s3.Options)) (P, error)) (P, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return read(ctx)
}

// CompleteMultipart makes an object of the parts, which must be in the order of their numbers. It waits as long as ctx lasts, because
// servers may copy the parts before they say anything.
func (b *Bucket) CompleteMultipart(ctx context.Context, key, id string, parts []caption.Part) error {
	list := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		list[i] = types.CompletedPart{PartNumber: aws.Int32(int32(p.Number)), ETag: &p.ETag}
	}
	_, err := b.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &b.c.Bucket, Key: &key, UploadId: &id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: list}}, b.patiently)
	return fault("complete upload of "+key, err)
}

// AbortMultipart ends a multipart upload and removes its parts. One that does not exist is no error.
func (b *Bucket) AbortMultipart(ctx context.Context, key, id string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.c.Bucket, Key: &key, UploadId: &id})
	if err = fault("abort upload of "+key, err); caption.KindOf(err) == caption.KindNotFound {
		return nil
	}
	return err
}

// ListMultiparts yields the multipart uploads of keys that begin with prefix. It ends after the first error.
func (b *Bucket) ListMultiparts(ctx context.Context, prefix string) iter.Seq2[caption.Multipart, error] {
	return func(yield func(caption.Multipart, error) bool) {
		pages := s3.NewListMultipartUploadsPaginator(b.client, &s3.ListMultipartUploadsInput{Bucket: &b.c.Bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := nextPage(ctx, pages.NextPage)
			if err != nil {
				yield(caption.Multipart{}, fault("list uploads of "+prefix, err))
				return
			}
			for _, u := range page.Uploads {
				if !yield(caption.Multipart{Key: aws.ToString(u.Key), ID: aws.ToString(u.UploadId), Started: aws.ToTime(u.Initiated)}, nil) {
					return
				}
			}
		}
	}
}
