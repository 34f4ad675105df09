package testservers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// MongoDB is FerretDB in its place: a server that speaks the protocol of MongoDB, one request at a time. The folder ferretdb
// says why it stands in, and what it cannot show.
type MongoDB struct {
	Addr string // host:port

	dir, program string
	p            *process
}

// StartMongoDB starts a server with its files in dir.
func StartMongoDB(ctx context.Context, dir string) (*MongoDB, error) {
	program, err := buildFerretDB(ctx)
	if err != nil {
		return nil, err
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	m := &MongoDB{Addr: addr, dir: dir, program: program}
	if err := m.Start(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// NewMongoDB starts a server for a test.
func NewMongoDB(t testing.TB) *MongoDB {
	t.Helper()
	m, err := StartMongoDB(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(m.Stop)
	return m
}

// URL is that of a database on the server.
func (m *MongoDB) URL(database string) string { return "mongodb://" + m.Addr + "/" + database }

// Start starts the server again, on the same port and files, after [MongoDB.Kill] or [MongoDB.Stop].
func (m *MongoDB) Start(ctx context.Context) error {
	p, err := start(m.dir, m.dir+"/ferretdb.log", nil, m.program, m.Addr, m.dir)
	if err != nil {
		return err
	}
	m.p = p
	err = m.p.await(ctx, func(ctx context.Context) error {
		answer, err := ask(ctx, m.Addr, mongoHello)
		if err == nil && len(answer) < 16 {
			err = fmt.Errorf("it says %q", answer)
		}
		return err
	})
	if err != nil {
		m.Stop()
	}
	return err
}

// Kill ends the server as kill -9 does.
func (m *MongoDB) Kill() { m.p.kill() }

// Suspend makes the server hang, with all its connections open, until it is called with false.
func (m *MongoDB) Suspend(on bool) { m.p.suspend(on) }

// Stop ends the server in good order.
func (m *MongoDB) Stop() { m.p.stop(5 * time.Second) }

// mongoHello is the message with which clients of MongoDB begin, and which needs no rights: {isMaster: 1} to the database
// admin, as the OP_QUERY that every version of the server understands there.
const mongoHello = "\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00" + // 58 bytes, number 1, OP_QUERY
	"\x00\x00\x00\x00admin.$cmd\x00\x00\x00\x00\x00\xff\xff\xff\xff" +
	"\x13\x00\x00\x00\x10isMaster\x00\x01\x00\x00\x00\x00"
