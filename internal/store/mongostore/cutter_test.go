package mongostore_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// cutter passes a client's requests on to the server, until it cuts the client off at a chosen write: what the server, and
// every other client, sees of a process that dies there.
type cutter struct {
	addr, target string
	listener     net.Listener
	wg           sync.WaitGroup

	mu    sync.Mutex
	left  int  // writes that still pass; negative: all
	after bool // the write at which the client is cut off reaches the server, and only its reply is lost
	cut   bool // the client has been cut off
	conns map[net.Conn]struct{}
}

func newCutter(t *testing.T, target string) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cutter{addr: l.Addr().String(), target: target, listener: l, left: -1, conns: map[net.Conn]struct{}{}}
	c.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.pass(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.hangUp()
		c.wg.Wait()
	})
	return c
}

// arm lets n writes pass and then cuts the client off.
func (c *cutter) arm(n int, after bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.after, c.cut = n, after, false
}

// heal lets everything pass again, and tells whether the client had been cut off.
func (c *cutter) heal() (cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cut = c.cut
	c.left, c.cut = -1, false
	return cut
}

func (c *cutter) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
	}
}

var errCut = errors.New("cut off")

// admit decides about a request: it may pass, its reply too, or neither.
func (c *cutter) admit(request []byte) (reply bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cut:
		return false, errCut
	case c.left < 0 || !isWrite(request):
		return true, nil
	case c.left > 0:
		c.left--
		return true, nil
	}
	c.cut = true
	if !c.after {
		return false, errCut
	}
	return false, nil
}

func (c *cutter) pass(client net.Conn) {
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		_ = client.Close()
		return
	}
	for _, conn := range []net.Conn{client, server} {
		c.mu.Lock()
		c.conns[conn] = struct{}{}
		c.mu.Unlock()
		defer func() {
			_ = conn.Close()
			c.mu.Lock()
			defer c.mu.Unlock()
			delete(c.conns, conn)
		}()
	}
	requests, replies := bufio.NewReader(client), bufio.NewReader(server)
	for {
		request, err := readMessage(requests)
		if err != nil {
			return
		}
		wantsReply, err := c.admit(request)
		if err != nil {
			return
		}
		if _, err := server.Write(request); err != nil {
			return
		}
		reply, err := readMessage(replies)
		if err != nil || !wantsReply {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

func readMessage(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	message := make([]byte, binary.LittleEndian.Uint32(head))
	_, err = io.ReadFull(r, message)
	return message, err
}

// isWrite tells whether a message is an OP_MSG whose first section, a document, begins with the name of a command that writes.
func isWrite(m []byte) bool {
	const name = 16 + 4 + 1 + 4 + 1 // header, flags, kind of section, length of the document, type of its first field
	if len(m) < name || binary.LittleEndian.Uint32(m[12:]) != 2013 || m[20] != 0 {
		return false
	}
	command, _, _ := bytes.Cut(m[name:], []byte{0})
	switch string(command) {
	case "insert", "update", "delete", "findAndModify":
		return true
	}
	return false
}
