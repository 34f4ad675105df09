package testservers

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Redis is a server that forgets everything when it stops.
type Redis struct {
	Addr string // host:port

	dir  string
	args []string
	p    *process
}

// StartRedis starts a server with its files in dir. args are further options, for example "--cluster-enabled", "yes".
func StartRedis(ctx context.Context, dir string, args ...string) (*Redis, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	r := &Redis{Addr: net.JoinHostPort("127.0.0.1", ports[0]), dir: dir}
	r.args = append([]string{"--port", ports[0], "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no"}, args...)
	if err := r.Start(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// NewRedis starts a server for a test.
func NewRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	r, err := StartRedis(t.Context(), t.TempDir(), args...)
	require.NoError(t, err)
	t.Cleanup(r.Stop)
	return r
}

// NewSentinel starts a Sentinel that watches the master and its replicas, for a test. It alone decides, a second after the
// master is gone.
func NewSentinel(t testing.TB, name string, master *Redis) *Redis {
	t.Helper()
	ports, err := freePorts(1)
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	r := &Redis{Addr: net.JoinHostPort("127.0.0.1", ports[0]), dir: t.TempDir()}
	conf := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %q\nsentinel monitor %s %s %s 1\n"+
		"sentinel down-after-milliseconds %s 1000\nsentinel failover-timeout %s 10000\n", ports[0], r.dir, name, host, port, name, name)
	require.NoError(t, os.WriteFile(r.dir+"/sentinel.conf", []byte(conf), 0o600))
	r.args = []string{r.dir + "/sentinel.conf", "--sentinel"}
	require.NoError(t, r.Start(t.Context()))
	t.Cleanup(r.Stop)
	return r
}

// Start starts the server again, on the same port, after [Redis.Kill] or [Redis.Stop].
func (r *Redis) Start(ctx context.Context) error {
	p, err := start(r.dir, r.dir+"/redis.log", nil, "redis-server", r.args...)
	if err != nil {
		return err
	}
	r.p = p
	err = p.await(ctx, func(ctx context.Context) error {
		answer, err := ask(ctx, r.Addr, "PING\r\n")
		if err == nil && !strings.HasPrefix(answer, "+PONG") && !strings.HasPrefix(answer, "-NOAUTH") {
			err = fmt.Errorf("it says %q", answer)
		}
		return err
	})
	if err != nil {
		r.Stop()
	}
	return err
}

// Kill ends the server as kill -9 does.
func (r *Redis) Kill() { r.p.kill() }

// Suspend makes the server hang, with all its connections open, until it is called with false.
func (r *Redis) Suspend(on bool) { r.p.suspend(on) }

// Stop ends the server.
func (r *Redis) Stop() { r.p.stop(5 * time.Second) }

// Command runs one command and returns the first line of the answer.
func (r *Redis) Command(t testing.TB, words ...string) string {
	t.Helper()
	line, _, _ := strings.Cut(r.Answer(t, words...), "\r\n")
	return line
}

// Answer runs one command and returns the beginning of the answer, as Redis writes it.
func (r *Redis) Answer(t testing.TB, words ...string) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	answer, err := ask(t.Context(), r.Addr, b.String())
	require.NoError(t, err)
	return answer
}
