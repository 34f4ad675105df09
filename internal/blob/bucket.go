// Package blob is the one adapter to object storage: it speaks the S3 API, whoever serves it. It gives the objects, the
// multipart uploads and the presigned addresses of one bucket. Which keys there are and who may see them is up
// to those who use it; the S3 server of a deployment in one process is package embeddeds3.
package blob

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"k8s-scalers/internal/caption"
)

// DefaultRegion is the region where none is configured. Servers other than Amazon's mostly call theirs so.
const DefaultRegion = "us-east-1"

// Config says where a bucket is, and how to get in.
type Config struct {
	Bucket string
	// Endpoint is the address of the S3 server for this process; empty: Amazon S3.
	Endpoint string
	// PublicEndpoint is the address of the same server for clients, which presigned addresses carry. Where it is empty,
	// they carry that of Amazon S3 if Endpoint is empty too, else the origin that is given with each, else Endpoint.
	PublicEndpoint string
	Region         string // default: that of the SDK's own settings, then DefaultRegion
	// PathStyle puts the bucket into the path rather than into the host name. Most servers but Amazon's need it.
	PathStyle bool
	// AccessKey and SecretKey are static credentials. Where both are empty, the SDK's default chain finds them: environment,
	// shared files, role of the pod or of the machine.
	AccessKey, SecretKey string

	HTTPClient *http.Client     // nil: the SDK's own
	Now        func() time.Time // nil: time.Now; presigned addresses begin now
	Logger     *slog.Logger     // nil: discard

	stall time.Duration // how long a connection may stand still in the midst of an object; 0: defaultStall
}

// ParseURL reads s3://bucket?endpoint=http://host:9000&public_endpoint=…&region=…&path_style=true. All parameters are optional.
// Credentials have no place in it, because URLs end up in logs and process lists.
func ParseURL(raw string) (Config, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "s3" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return Config{}, badURL("it has the form s3://bucket?endpoint=http://host:9000&path_style=true")
	}
	if u.User != nil {
		return Config{}, badURL("it holds credentials; give those by their own settings")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Config{}, badURL("its parameters cannot be read")
	}
	c := Config{Bucket: u.Host}
	for name, values := range q {
		value := values[len(values)-1]
		switch name {
		case "endpoint":
			c.Endpoint = value
		case "public_endpoint":
			c.PublicEndpoint = value
		case "region":
			c.Region = value
		case "path_style":
			if c.PathStyle, err = strconv.ParseBool(value); err != nil {
				return Config{}, badURL("path_style is either true or false")
			}
		default:
			return Config{}, badURL("it has a parameter that is none of endpoint, public_endpoint, region and path_style")
		}
	}
	return c, c.check()
}

func badURL(why string) error {
	return caption.Errorf(caption.KindInvalid, "The URL of the bucket cannot be used: %s.", why).WithCode("bad_settings")
}

// check finds the mistakes that would otherwise show only when the bucket is used.
func (c Config) check() error {
	if c.Bucket == "" {
		return caption.Errorf(caption.KindInvalid, "The name of the bucket is missing.").WithCode("bad_settings")
	}
	for name, endpoint := range map[string]string{"endpoint": c.Endpoint, "public endpoint": c.PublicEndpoint} {
		if endpoint != "" && !isOrigin(endpoint) {
			return caption.Errorf(caption.KindInvalid, "The %s of the bucket is no address: give one such as http://host:9000, without a path.", name).WithCode("bad_settings")
		}
	}
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return caption.Errorf(caption.KindInvalid, "The bucket needs both an access key and a secret key, or neither.").WithCode("bad_settings")
	}
	return nil
}

// isOrigin tells whether s is a scheme and a host, and nothing more.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
		strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

// Bucket is one bucket. It is safe for concurrent use. Its errors: [caption.KindNotFound] for what is not there,
// [caption.KindUnavailable] for a server that is away, busy or full (code storage_full); wrong credentials and other
// mistakes of ours are plain errors.
type Bucket struct {
	c         Config
	client    *s3.Client
	presign   *s3.PresignClient
	patiently func(*s3.Options) // for requests whose answer may begin late
}

// Open returns the bucket. It talks to no server yet, except where the SDK needs that to find settings.
func Open(ctx context.Context, c Config) (*Bucket, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var options []func(*config.LoadOptions) error
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	} else {
		options = append(options, config.WithDefaultRegion(DefaultRegion))
	}
	if c.AccessKey != "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, "")))
	}
	settings, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("load settings of the bucket: %w", err)
	}
	b := &Bucket{c: c}
	b.client = s3.NewFromConfig(settings, func(o *s3.Options) {
		// Servers other than Amazon's know neither the newer checksums nor the trailers that carry them.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.UsePathStyle = c.PathStyle
		o.HTTPClient = impatient(cmp.Or(c.stall, defaultStall))
		if c.HTTPClient != nil { // for the bucket only: what looks for credentials asks other hosts
			o.HTTPClient = c.HTTPClient
		}
		if c.Endpoint != "" {
			o.BaseEndpoint = &c.Endpoint
		}
	})
	b.presign = s3.NewPresignClient(b.client)
	b.patiently = func(*s3.Options) {}
	if c.HTTPClient == nil {
		patient := awshttp.NewBuildableClient()
		b.patiently = func(o *s3.Options) { o.HTTPClient = patient }
	}
	return b, nil
}

// impatient returns the client for whatever a server that is well begins to answer at once: where it does not, or where the connection
// then stands still, the request fails.
func impatient(stall time.Duration) *awshttp.BuildableClient {
	dialer := awshttp.NewBuildableClient().GetDialer()
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = patience
		t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err //nolint:wrapcheck // The SDK does.
			}
			return moving{c, stall}, nil
		}
	})
}

// moving is a connection that breaks when nothing has moved on it for as long as stall.
type moving struct {
	net.Conn

	stall time.Duration
}

func (c moving) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err //nolint:wrapcheck // It is a connection.
	}
	return c.Conn.Read(p) //nolint:wrapcheck // It is a connection.
}

func (c moving) Write(p []byte) (int, error) {
	// The client waits for the answer while it sends: that goes on for as long as sending does.
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err //nolint:wrapcheck // It is a connection.
	}
	return c.Conn.Write(p) //nolint:wrapcheck // It is a connection.
}

// Name is the name of the bucket.
func (b *Bucket) Name() string { return b.c.Bucket }
