package blob

import (
	"context"
	"mime"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"k8s-scalers/internal/caption"
)

// PresignPart returns an address to which one part can be PUT by whoever has it: this part of this upload, with exactly this
// many bytes, because the length is signed too.
func (b *Bucket) PresignPart(ctx context.Context, p caption.PartURL) (string, error) {
	signed, err := b.presign.PresignUploadPart(ctx, &s3.UploadPartInput{Bucket: &b.c.Bucket, Key: &p.Key, UploadId: &p.MultipartID,
		PartNumber: aws.Int32(int32(p.Number)), ContentLength: &p.Size}, b.signing(p.Origin, p.Expires))
	if err != nil {
		return "", fault("sign address of a part", err)
	}
	return signed.URL, nil
}

// PresignGet returns an address from which one object can be read by whoever has it, in ranges too.
func (b *Bucket) PresignGet(ctx context.Context, m caption.MediaURL) (string, error) {
	in := &s3.GetObjectInput{Bucket: &b.c.Bucket, Key: &m.Key}
	if m.ContentType != "" {
		in.ResponseContentType = &m.ContentType
	}
	disposition, params := "inline", map[string]string{}
	if m.Attachment {
		disposition = "attachment"
	}
	if m.FileName != "" {
		params["filename"] = m.FileName
	}
	in.ResponseContentDisposition = aws.String(mime.FormatMediaType(disposition, params))
	signed, err := b.presign.PresignGetObject(ctx, in, b.signing(m.Origin, m.Expires))
	if err != nil {
		return "", fault("sign address of an object", err)
	}
	return signed.URL, nil
}

// signing returns the options of one signature. The host is part of it, so it must be the one that the client will ask.
func (b *Bucket) signing(origin string, expires time.Duration) func(*s3.PresignOptions) {
	endpoint, pathStyle := b.c.PublicEndpoint, b.c.PathStyle
	if endpoint == "" && b.c.Endpoint != "" && isOrigin(origin) {
		endpoint, pathStyle = origin, true // Our own entry knows the bucket by its path.
	}
	return func(o *s3.PresignOptions) {
		o.Expires = expires
		o.Presigner = clock{v4.NewSigner(func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true }), b.c.Now}
		o.ClientOptions = append(o.ClientOptions, func(c *s3.Options) {
			c.UsePathStyle = pathStyle
			if endpoint != "" {
				c.BaseEndpoint = &endpoint
			}
		})
	}
}

// clock signs by the clock that was injected.
type clock struct {
	*v4.Signer
	now func() time.Time
}

func (c clock) PresignHTTP(ctx context.Context, creds aws.Credentials, r *http.Request, payloadHash, service, region string, _ time.Time,
	options ...func(*v4.SignerOptions),
) (string, http.Header, error) {
	return c.Signer.PresignHTTP(ctx, creds, r, payloadHash, service, region, c.now(), options...) //nolint:wrapcheck // The SDK wraps it.
}
