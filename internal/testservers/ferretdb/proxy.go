package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

const (
	maxMessage = 48_000_000 // bytes; the protocol's limit
	opMsg      = 2013
	moreToCome = 1 << 1 // a flag of OP_MSG: there will be no reply
)

// proxy passes clients' requests on to FerretDB, one at a time.
type proxy struct {
	listener net.Listener
	behind   string     // FerretDB's address
	turn     sync.Mutex // held from the first byte of a request to the last of its reply
}

// serve accepts clients until the listener is closed.
func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.pass(client)
	}
}

// pass serves one client until either side hangs up; then so does the other.
func (p *proxy) pass(client net.Conn) {
	defer func() { _ = client.Close() }() // Whatever was to be said, was.
	server, err := net.Dial("tcp", p.behind)
	if err != nil {
		return // The client sees a connection that breaks, as with any server that is about to end.
	}
	defer func() { _ = server.Close() }()
	requests, replies := bufio.NewReader(client), bufio.NewReader(server)
	for {
		request, err := readMessage(requests)
		if err != nil {
			return
		}
		reply, err := p.exchange(server, replies, request)
		if err != nil {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

// exchange sends one request and returns its reply, which is nothing where the request wants none. The client is neither read
// nor written meanwhile, so that one that hangs does not hold up the others.
func (p *proxy) exchange(server net.Conn, replies *bufio.Reader, request []byte) ([]byte, error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	if wantsNoReply(request) {
		return nil, nil
	}
	return readMessage(replies)
}

// readMessage reads one message of the protocol: its length is its first four bytes.
func readMessage(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head)
	if n < 16 || n > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	message := make([]byte, n)
	_, err = io.ReadFull(r, message)
	return message, err
}

func wantsNoReply(request []byte) bool {
	return binary.LittleEndian.Uint32(request[12:]) == opMsg && len(request) > 16 && request[16]&moreToCome != 0
}
