package testservers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Postgres is a cluster of its own, with one superuser and the database captions.
type Postgres struct {
	URL  string // postgres://…/captions
	Addr string // host:port

	dir, data, program string
	args               []string
	owner              *syscall.Credential
	p                  *process
}

// The name and password of the only user.
const postgresUser, postgresPassword = "app", "secret"

// StartPostgres makes a cluster in dir and starts a server on it. settings are lines of postgresql.conf, for example
// "max_connections = 5". When dir has a cluster already, its server is started.
//
// Nothing is synced to the disk: what these servers survive is being killed, not a power cut.
func StartPostgres(ctx context.Context, dir string, settings ...string) (*Postgres, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	s := &Postgres{
		Addr: net.JoinHostPort("127.0.0.1", ports[0]),
		dir:  dir, data: filepath.Join(dir, "data"), program: filepath.Join(bin, "postgres"),
	}
	s.URL = s.database("captions")
	if s.owner, err = unprivileged(); err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	s.args = []string{"-D", s.data}
	s.set([]string{
		"listen_addresses = 127.0.0.1", "port = " + ports[0], "unix_socket_directories = ", "fsync = off", "shared_buffers = 32MB",
	})
	s.set(settings)
	_, err = os.Stat(filepath.Join(s.data, "PG_VERSION"))
	fresh := errors.Is(err, os.ErrNotExist)
	if fresh {
		if err := s.initdb(ctx, filepath.Join(bin, "initdb")); err != nil {
			return nil, err
		}
	}
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	if fresh {
		if err := s.exec(ctx, `CREATE DATABASE captions`); err != nil {
			s.Stop()
			return nil, err
		}
	}
	return s, nil
}

// NewPostgres starts a server for a test.
func NewPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	s, err := StartPostgres(t.Context(), t.TempDir(), settings...)
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	return s
}

// set adds lines of postgresql.conf.
func (s *Postgres) set(settings []string) {
	for _, line := range settings {
		name, value, _ := strings.Cut(line, " = ")
		s.args = append(s.args, "-c", name+"="+value)
	}
}

// initdb makes the files of a cluster.
func (s *Postgres) initdb(ctx context.Context, program string) error {
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(postgresPassword), 0o600); err != nil {
		return fmt.Errorf("password of PostgreSQL: %w", err)
	}
	if err := os.Mkdir(s.data, 0o700); err != nil {
		return fmt.Errorf("folder of PostgreSQL: %w", err)
	}
	if s.owner != nil {
		for _, path := range []string{s.dir, s.data, password} {
			if err := os.Chown(path, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
				return fmt.Errorf("folder of PostgreSQL: %w", err)
			}
		}
	}
	cmd := exec.CommandContext(ctx, program, "-D", s.data, "-U", postgresUser, "--pwfile", password, "-A", "scram-sha-256",
		"-E", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}
	cmd.SysProcAttr = attributes(s.owner)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a PostgreSQL cluster: %w: %s", err, out)
	}
	return nil
}

// Start starts the server again, on the same port and files, after [Postgres.Kill] or [Postgres.Stop].
func (s *Postgres) Start(ctx context.Context) error {
	p, err := startAs(s.owner, s.dir, filepath.Join(s.dir, "postgres.log"), nil, s.program, s.args...)
	if err != nil {
		return err
	}
	s.p = p
	// A server that replays its log answers, too, but with an error rather than the demand to say who is there.
	hello := "\x00\x03\x00\x00user\x00" + postgresUser + "\x00database\x00postgres\x00\x00"
	hello = string([]byte{0, 0, 0, byte(len(hello) + 4)}) + hello
	err = p.await(ctx, func(ctx context.Context) error {
		answer, err := ask(ctx, s.Addr, hello)
		if err == nil && !strings.HasPrefix(answer, "R") {
			err = fmt.Errorf("it says %q", answer)
		}
		return err
	})
	if err != nil {
		s.Stop()
	}
	return err
}

// Kill ends the server, with all its processes, as kill -9 does.
func (s *Postgres) Kill() {
	s.signal(syscall.SIGKILL)
	<-s.p.done
}

// Suspend makes the server hang, with all its connections open, until it is called with false.
func (s *Postgres) Suspend(on bool) {
	if on {
		s.signal(syscall.SIGSTOP)
	} else {
		s.signal(syscall.SIGCONT)
	}
}

// Stop ends the server in good order, and its connections with it.
func (s *Postgres) Stop() {
	s.Suspend(false)
	// SIGTERM would wait for the clients to go.
	s.p.end(syscall.SIGINT, 20*time.Second)
}

// signal reaches every process of the server: each of them leads a group of its own. The first one is held meanwhile, so
// that it makes no more of them.
func (s *Postgres) signal(sig syscall.Signal) {
	s.p.signal(syscall.SIGSTOP)
	for _, pid := range children(s.p.cmd.Process.Pid) {
		_ = syscall.Kill(pid, sig) // It may have ended meanwhile.
	}
	s.p.signal(sig)
}

// Serve starts the server anew with more files in its folder, copied from those that are named, and more settings.
func (s *Postgres) Serve(t testing.TB, files map[string]string, settings ...string) {
	t.Helper()
	s.Stop()
	for name, from := range files {
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		to := filepath.Join(s.data, name)
		require.NoError(t, os.WriteFile(to, content, 0o600))
		if s.owner != nil {
			require.NoError(t, os.Chown(to, int(s.owner.Uid), int(s.owner.Gid)))
		}
	}
	s.set(settings)
	require.NoError(t, s.Start(t.Context()))
}

// NewDatabase makes an empty database and returns its URL.
func (s *Postgres) NewDatabase(t testing.TB, name string) string {
	t.Helper()
	require.NoError(t, s.exec(t.Context(), "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()))
	return s.database(name)
}

func (s *Postgres) database(name string) string {
	return (&url.URL{Scheme: "postgres", User: url.UserPassword(postgresUser, postgresPassword), Host: s.Addr, Path: "/" + name}).String()
}

func (s *Postgres) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.database("postgres"))
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// postgresPrograms returns the folder of the programs, which Debian keeps off the path.
func postgresPrograms() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err == nil && len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return postgresVersion(a) - postgresVersion(b) })
		return filepath.Dir(newest), nil
	}
	path, lookErr := exec.LookPath("postgres")
	if lookErr != nil {
		return "", fmt.Errorf("PostgreSQL is not installed; run scripts/setup.sh services: %w", errors.Join(err, lookErr))
	}
	return filepath.Dir(path), nil
}

func postgresVersion(program string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(program)))) // What is no number is older than all.
	return n
}
