package testservers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// S3 is versitygw over a folder: the program in the folder of that name.
type S3 struct {
	Addr                 string // host:port; buckets are in the path
	AccessKey, SecretKey string

	dir, program string
	p            *process
}

// StartS3 starts a server with its files in dir.
func StartS3(ctx context.Context, dir string) (*S3, error) {
	program := filepath.Join(dir, "versitygw")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "k8s-scalers/internal/testservers/versitygw")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build versitygw: %w: %s", err, out)
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	s := &S3{
		Addr: addr, AccessKey: "app", SecretKey: "not-so-secret",
		dir: dir, program: program,
	}
	if err := os.MkdirAll(s.data(), 0o700); err != nil {
		return nil, fmt.Errorf("folder of S3: %w", err)
	}
	return s, s.Start(ctx)
}

// NewS3 starts a server for a test.
func NewS3(t testing.TB) *S3 {
	t.Helper()
	s, err := StartS3(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	return s
}

func (s *S3) data() string { return filepath.Join(s.dir, "objects") }

// Endpoint is the address for S3 clients.
func (s *S3) Endpoint() string { return "http://" + s.Addr }

// Start starts the server again, on the same port and files, after [S3.Kill] or [S3.Stop].
func (s *S3) Start(ctx context.Context) error {
	env := []string{"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey}
	p, err := start(s.dir, s.dir+"/versitygw.log", env, s.program, s.Addr, s.data())
	if err != nil {
		return err
	}
	s.p = p
	return s.p.await(ctx, func(ctx context.Context) error {
		answer, err := ask(ctx, s.Addr, "GET / HTTP/1.0\r\nHost: "+s.Addr+"\r\n\r\n")
		if err == nil && !strings.HasPrefix(answer, "HTTP/1.1 403") { // It knows nobody without a signature.
			err = fmt.Errorf("it says %q", answer)
		}
		return err
	})
}

// Kill ends the server as kill -9 does.
func (s *S3) Kill() { s.p.kill() }

// Suspend makes the server hang, with all its connections open, until it is called with false.
func (s *S3) Suspend(on bool) { s.p.suspend(on) }

// Stop ends the server in good order.
func (s *S3) Stop() { s.p.stop(5 * time.Second) }
