package testservers_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/testservers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRedis(t *testing.T) {
	r := testservers.NewRedis(t)
	require.Equal(t, "+OK", r.Command(t, "SET", "key", "value"))
	r.Kill()
	requireGone(t, r.Addr)
	require.NoError(t, r.Start(t.Context()))
	require.Equal(t, "$-1", r.Command(t, "GET", "key"))
	r.Stop()
	requireGone(t, r.Addr)
}

func TestRabbitMQ(t *testing.T) {
	r := testservers.NewRabbitMQ(t)
	r.Kill()
	requireGone(t, r.Addr)
	require.NoError(t, r.Start(t.Context()))
	r.Stop()
	requireGone(t, r.Addr)
}

func TestMongoDB(t *testing.T) {
	m := testservers.NewMongoDB(t)
	require.Equal(t, "mongodb://"+m.Addr+"/captions", m.URL("captions"))
	m.Kill()
	requireGone(t, m.Addr)
	require.NoError(t, m.Start(t.Context()))
	m.Stop()
	requireGone(t, m.Addr)
}

func TestPostgres(t *testing.T) {
	dir := t.TempDir()
	s, err := testservers.StartPostgres(t.Context(), dir)
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), s.NewDatabase(t, "an other"))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE TABLE kept (n INTEGER)")
	require.NoError(t, err)
	s.Kill()
	requireGone(t, s.Addr)
	require.Error(t, conn.Ping(t.Context()), "the processes that serve connections are gone, too")

	require.NoError(t, s.Start(t.Context()))
	conn, err = pgx.Connect(t.Context(), strings.Replace(s.URL, "/captions", "/an%20other", 1))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "INSERT INTO kept VALUES (1)")
	require.NoError(t, err)
	s.Suspend(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.Error(t, conn.Ping(ctx), "a server that hangs does not answer")
	s.Suspend(false)
	s.Stop()
	requireGone(t, s.Addr)

	again, err := testservers.StartPostgres(t.Context(), dir)
	require.NoError(t, err, "a folder with a cluster")
	defer again.Stop()
	conn, err = pgx.Connect(t.Context(), again.URL)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

func TestFailedStartSaysWhy(t *testing.T) {
	_, err := testservers.StartRedis(t.Context(), t.TempDir(), "--no-such-option", "1")
	require.ErrorContains(t, err, "no-such-option")
	_, err = testservers.StartPostgres(t.Context(), t.TempDir(), "no_such_option = 1")
	require.ErrorContains(t, err, "no_such_option")
}

func TestProxy(t *testing.T) {
	r := testservers.NewRedis(t)
	p := testservers.NewProxy(t, r.Addr)
	conn, err := net.Dial("tcp", p.Addr)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	ping := func() error {
		if _, err := conn.Write([]byte("PING\r\n")); err != nil {
			return err
		}
		answer := make([]byte, 16)
		_, err := conn.Read(answer)
		return err
	}
	require.NoError(t, ping())
	p.Cut()
	require.Error(t, ping())
	conn, err = net.Dial("tcp", p.Addr)
	require.NoError(t, err)
	require.NoError(t, ping())
	p.Stall(true)
	_, err = conn.Write([]byte("QUIT\r\n"))
	require.NoError(t, err)
	p.Stall(false)
	require.NoError(t, ping(), "the server has not heard the QUIT")
	p.Refuse(true)
	require.Error(t, ping())
}

func requireGone(t *testing.T, addr string) {
	t.Helper()
	_, err := net.Dial("tcp", addr)
	require.Error(t, err)
}

func TestFreeAddrIsHeld(t *testing.T) {
	addr, err := testservers.FreeAddr()
	require.NoError(t, err)
	_, err = net.ListenPacket("udp", addr)
	require.Error(t, err, "another process that chooses passes it over")
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err, "a server finds it free")
	require.NoError(t, l.Close())
}
