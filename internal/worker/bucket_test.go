package worker

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/blob/embeddeds3"
)

// s3server is the one S3 server of this test program: it owns the working directory, so there can be no second.
var s3server *embeddeds3.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "worker-s3-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // It lies in the folder of temporary files.
		if s3server, err = embeddeds3.New(embeddeds3.Config{Dir: dir}); err != nil {
			panic(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s3server.Run(ctx); err != nil {
				panic(err)
			}
		})
		code := m.Run()
		stop()
		wg.Wait()
		if err := goleak.Find(
			// Of the S3 server's HTTP library: one keeps the Date header for the life of the process, the other ends at its next tick.
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2")); code == 0 && err != nil {
			panic(err)
		}
		return code
	}())
}

func testBucket(t *testing.T) *blob.Bucket {
	t.Helper()
	b, err := blob.Open(t.Context(), blob.Config{
		Bucket: "worker-test", Endpoint: embeddeds3.Endpoint, PathStyle: true,
		AccessKey: s3server.AccessKey(), SecretKey: s3server.SecretKey(), HTTPClient: s3server.HTTPClient(),
	})
	require.NoError(t, err)
	require.NoError(t, b.Ensure(t.Context()))
	return b
}
