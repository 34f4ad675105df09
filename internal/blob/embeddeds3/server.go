// Package embeddeds3 serves the S3 API over a folder, in the process: versitygw with its posix backend, made durable and
// fit to start again after a crash. It is the object storage of a deployment in one process; everybody talks S3 to it,
// by package blob like to any other server.
//
// # The working directory
//
// The posix backend changes the working directory OF THE WHOLE PROCESS to its folder in [New], and opens its files by
// relative paths ever after. It must stay there: going back would make the storage lose its files. So whoever links
// this package makes all paths absolute before [New], gives child processes a folder of their own, and runs one [Server] at a time.
package embeddeds3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"

	"k8s-scalers/internal/caption"
)

// Endpoint is the address of the server for [Server.HTTPClient]. No resolver knows it, so that nothing else takes it for a host.
const Endpoint = "http://storage.invalid"

const (
	objectsDir = "objects"
	metaDir    = "meta"
	socketFile = "s3.sock"
	// maxSocketPath is the longest path that every system takes for a Unix socket, less its terminating zero.
	maxSocketPath = 103
	// maxParts is what S3 allows.
	maxParts = 10_000
	// maxConnections and maxRequests are more than one machine can make use of; they keep a flood from exhausting memory.
	maxConnections = 4096
	maxRequests    = 1024
	// maxIdle is how many connections of our own are kept for the next request.
	maxIdle = 64
	// socketBuffer is the size of the buffers of our own connections, in bytes: segments are megabytes, and each system call costs.
	socketBuffer = 256 << 10
	// drainTimeout is how long requests may take to end when the server stops.
	drainTimeout = 10 * time.Second
)

// Config says where the objects are kept.
type Config struct {
	Dir string // absolute; created if missing, with mode 0700
	// AccessKey and SecretKey are what clients sign with. Default: random ones, which are kept in Dir.
	AccessKey, SecretKey string
	Region               string // default: us-east-1
	// Listen is a TCP address for S3 clients from outside, for example 127.0.0.1:9000. Default: none, just the handler and
	// the client of the process itself.
	Listen string
	Logger *slog.Logger // nil: discard
}

// Server is an S3 server.
type Server struct {
	c         Config
	backend   *durable
	socket    string
	socketDir string // to be removed in the end; empty where the socket is in the data folder
	transport *http.Transport

	started atomic.Bool
	listens chan struct{} // closed when the server listens
	ready   chan struct{} // closed when requests are answered
	ended   chan struct{} // closed when Run returns
	handle  atomic.Pointer[fasthttp.RequestHandler]
	flights flights // requests of the handler
}

// New opens the folder, and mends what a crash may have left there. It changes the working directory of the process: see the
// package's description.
func New(c Config) (*Server, error) {
	if !filepath.IsAbs(c.Dir) {
		return nil, caption.Errorf(caption.KindInvalid, "The folder of the storage must be given by its absolute path, not as %q.", c.Dir).WithCode("bad_settings")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return nil, caption.Errorf(caption.KindInvalid, "The storage needs both an access key and a secret key, or neither.").WithCode("bad_settings")
	}
	root := filepath.Join(c.Dir, objectsDir)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("create the storage's folder: %w", err)
	}
	if c.AccessKey == "" {
		keys, err := storedKeys(c.Dir)
		if err != nil {
			return nil, err
		}
		c.AccessKey, c.SecretKey = keys.AccessKey, keys.SecretKey
	}
	attributes, sidecar, err := metadata(c.Dir, c.Logger)
	if err != nil {
		return nil, err
	}
	options := posix.PosixOpts{CopyObjectThreshold: 5 << 30, SideCarDir: sidecar}
	options.SetNewDirPerm(0o700)
	options.SetNewFilePerm(0o600)
	files, err := posix.New(root, attributes, options)
	if err != nil {
		return nil, fmt.Errorf("open the storage's folder: %w", err)
	}
	anew, err := rebooted(c.Dir)
	if err == nil {
		err = mend(root, attributes, anew, c.Logger)
	}
	if err == nil {
		err = noteBoot(c.Dir)
	}
	if err != nil {
		files.Shutdown()
		return nil, fmt.Errorf("mend the storage's folder: %w", err)
	}
	s := &Server{c: c, backend: &durable{Posix: files, meta: attributes, root: root, sidecar: sidecar},
		listens: make(chan struct{}), ready: make(chan struct{}), ended: make(chan struct{})}
	if s.socket, s.socketDir, err = socketPath(c.Dir); err != nil {
		files.Shutdown()
		return nil, err
	}
	s.transport = &http.Transport{
		DialContext:         s.dial,
		MaxIdleConns:        maxIdle,
		MaxIdleConnsPerHost: maxIdle,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true, // Bodies pass as they are.
		ReadBufferSize:      socketBuffer,
		WriteBufferSize:     socketBuffer,
	}
	return s, nil
}

// socketPath returns where the socket is to be: in the data folder, or where its path is too long for a socket, in a short temporary
// folder, which is returned too.
func socketPath(dir string) (path, temporary string, err error) {
	path = filepath.Join(dir, socketFile)
	if len(path) <= maxSocketPath {
		return path, "", nil
	}
	if temporary, err = os.MkdirTemp("", "captions-s3-"); err != nil {
		return "", "", fmt.Errorf("create a folder for the storage's socket: %w", err)
	}
	if path = filepath.Join(temporary, socketFile); len(path) > maxSocketPath {
		_ = os.Remove(temporary) // It is empty.
		return "", "", caption.Errorf(caption.KindInvalid, "Both the data folder and the temporary folder have paths that are too long for a socket. Choose a data folder with a path below %d bytes.", maxSocketPath-len(socketFile)).WithCode("bad_settings")
	}
	return path, temporary, nil
}

// AccessKey and SecretKey are what clients of the server sign with.
func (s *Server) AccessKey() string { return s.c.AccessKey }

// SecretKey is the other half of [Server.AccessKey].
func (s *Server) SecretKey() string { return s.c.SecretKey }

// Ready is closed as soon as the server answers.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends, finishes the requests that are being served then, and returns. It can run once.
func (s *Server) Run(ctx context.Context) error {
	if !s.started.CompareAndSwap(false, true) {
		return errors.New("the storage runs already, or has run")
	}
	defer close(s.ended)
	defer func() {
		if s.socketDir != "" {
			_ = os.RemoveAll(s.socketDir) // It lies in the folder of temporary files.
		}
	}()
	if ctx.Err() != nil {
		s.backend.Shutdown()
		return nil
	}
	ports := []string{s.socket}
	if s.c.Listen != "" {
		ports = append(ports, s.c.Listen)
	}
	// The requests of the handler end before the server does, which knows nothing of them.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- embedgw.RunVersityGW(serving, s.backend, &embedgw.Config{
			RootUserAccess: s.c.AccessKey, RootUserSecret: s.c.SecretKey, Region: s.c.Region,
			IAMService: auth.NewIAMServiceSingle(auth.Account{Access: s.c.AccessKey, Secret: s.c.SecretKey, Role: auth.RoleAdmin}),
			Ports:      ports, SocketPerm: "0600",
			MaxConnections: maxConnections, MaxRequests: maxRequests, MultipartMaxParts: maxParts,
			KeepAlive: true, Quiet: true, DisableACLs: true,
			S3Options: []s3api.Option{
				s3api.WithOnListen(func() { close(s.listens) }),
				s3api.WithRoute(http.MethodGet, handoverPath, s.handOver),
			},
		})
	}()
	select {
	case <-s.listens: // at once, or not at all
	case err := <-done:
		return fmt.Errorf("serve the storage: %w", cmp.Or(err, errEnded))
	}
	// Until it has answered a first request the server cannot be stopped either.
	if err := s.takeOver(serving); err != nil {
		stop()
		return errors.Join(err, <-done)
	}
	close(s.ready)
	select {
	case <-ctx.Done():
	case err := <-done:
		return fmt.Errorf("serve the storage: %w", cmp.Or(err, errEnded))
	}
	s.flights.land(drainTimeout)
	s.transport.CloseIdleConnections() // They would keep the server waiting.
	stop()
	if err := <-done; err != nil {
		return fmt.Errorf("stop the storage: %w", err)
	}
	return nil
}

// handoverPath is a path by which the server hands over its handler. No bucket can have such a name.
const handoverPath = "/.handover"

// errEnded says that the server ended by itself, without a reason.
var errEnded = errors.New("the server ended")

// handOver keeps the handler of the application that serves this request. versitygw gives it away in no other way.
func (s *Server) handOver(c fiber.Ctx) error {
	if s.handle.Load() == nil {
		h := c.App().Handler()
		s.handle.Store(&h)
	}
	return c.SendStatus(http.StatusNoContent) //nolint:wrapcheck // fiber compares its errors.
}

// takeOver makes the request that is served by handOver.
func (s *Server) takeOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: s.dialNow}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, Endpoint+handoverPath, nil)
	if err != nil {
		return fmt.Errorf("ask the storage for its handler: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the storage for its handler: %w", err)
	}
	_ = resp.Body.Close() // It has none.
	if s.handle.Load() == nil {
		return fmt.Errorf("ask the storage for its handler: %s", resp.Status)
	}
	return nil
}

// dial connects to the server; it waits for one that is about to start.
func (s *Server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	select {
	case <-s.ready:
	case <-s.ended:
		return nil, errors.New("connect to the storage: it has ended")
	case <-ctx.Done():
		return nil, fmt.Errorf("connect to the storage: %w", ctx.Err())
	}
	return s.dialNow(ctx, "", "")
}

func (s *Server) dialNow(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
	if err != nil {
		return nil, fmt.Errorf("connect to the storage: %w", err)
	}
	return conn, nil
}

// HTTPClient is for clients in the same process: whatever host they ask ([Endpoint]), they get this server.
func (s *Server) HTTPClient() *http.Client { return &http.Client{Transport: s.transport} }
