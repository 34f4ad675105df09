package embeddeds3_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/blob/embeddeds3"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The clock of fasthttp's response headers lives as long as the process; what looks after its workers looks every ten
		// seconds whether it is still wanted.
		goleak.IgnoreTopFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// start runs a server until the test ends, or until stop is called. Only one can run at a time, so tests do not run in parallel.
func start(tb testing.TB, c embeddeds3.Config) *embeddeds3.Server {
	tb.Helper()
	s, _ := startStop(tb, c)
	return s
}

func startStop(tb testing.TB, c embeddeds3.Config) (*embeddeds3.Server, func()) {
	tb.Helper()
	s, err := embeddeds3.New(c)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // It ends in the clean-up, after those of the test.
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(tb, <-ended)
		}
	}
	tb.Cleanup(stop)
	<-s.Ready()
	return s, stop
}

// open returns a bucket of the server, which exists.
func open(tb testing.TB, s *embeddeds3.Server) *blob.Bucket {
	tb.Helper()
	b, err := blob.Open(tb.Context(), blob.Config{Bucket: "media", Endpoint: embeddeds3.Endpoint, PathStyle: true,
		AccessKey: s.AccessKey(), SecretKey: s.SecretKey(), HTTPClient: s.HTTPClient()})
	require.NoError(tb, err)
	require.NoError(tb, b.Ensure(tb.Context(), "*"))
	return b
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer l.Close()
	return l.Addr().String()
}
