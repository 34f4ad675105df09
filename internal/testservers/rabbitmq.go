package testservers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RabbitMQ is a node of its own: its Erlang knows of no other, and its files are in one folder.
type RabbitMQ struct {
	URL        string // amqp://…
	Management string // http://…, with the same name and password
	Addr       string // host:port of AMQP

	dir, program, epmdPort string
	env                    []string
	p, epmd                *process
}

// The name and password of the only user.
const rabbitUser, rabbitPassword = "app", "secret"

// StartRabbitMQ starts a server with its files in dir. settings are lines of rabbitmq.conf, for example
// "consumer_timeout = 60000".
func StartRabbitMQ(ctx context.Context, dir string, settings ...string) (*RabbitMQ, error) {
	program, err := rabbitProgram()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	amqp, management, dist, epmd := ports[0], ports[1], ports[2], ports[3]
	r := &RabbitMQ{
		URL:        fmt.Sprintf("amqp://%s:%s@127.0.0.1:%s/", rabbitUser, rabbitPassword, amqp),
		Management: fmt.Sprintf("http://%s:%s@127.0.0.1:%s", rabbitUser, rabbitPassword, management),
		Addr:       net.JoinHostPort("127.0.0.1", amqp),
		dir:        dir, program: program, epmdPort: epmd,
	}
	conf := append([]string{
		"listeners.tcp.1 = " + r.Addr,
		"management.tcp.ip = 127.0.0.1",
		"management.tcp.port = " + management,
		"default_user = " + rabbitUser,
		"default_pass = " + rabbitPassword,
		"loopback_users = none",
		"disk_free_limit.absolute = 50MB",
		"vm_memory_high_watermark.absolute = 1GB",
		"collect_statistics_interval = 1000",
	}, settings...)
	files := map[string]string{
		"rabbitmq.conf":   strings.Join(conf, "\n") + "\n",
		"enabled_plugins": "[rabbitmq_management].\n",
		".erlang.cookie":  rand.Text(),
		// Figures of queues, and looks at tasks that are held for too long, without half a minute in between.
		"advanced.config": "[{rabbit, [{quorum_tick_interval, 500}, {channel_tick_interval, 500}]}].\n",
	}
	for name, content := range files {
		// Only the owner may read the cookie, else Erlang refuses it.
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return nil, fmt.Errorf("settings of RabbitMQ: %w", err)
		}
	}
	r.env = []string{
		"RABBITMQ_NODENAME=node" + amqp + "@localhost",
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_CONFIG_FILE=" + dir + "/rabbitmq.conf",
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + dir + "/advanced.config",
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + dir + "/enabled_plugins",
		"RABBITMQ_MNESIA_BASE=" + dir + "/mnesia",
		"RABBITMQ_LOG_BASE=" + dir + "/log",
		"RABBITMQ_PID_FILE=" + dir + "/rabbit.pid",
		"RABBITMQ_DIST_PORT=" + dist,
		"ERL_EPMD_PORT=" + epmd,
		"ERL_EPMD_ADDRESS=127.0.0.1",
		// The script then becomes the server rather than its parent, so that killing it kills the server.
		"RUNNING_UNDER_SYSTEMD=true",
		// Little of the machine: two schedulers that do not spin, nothing but the loopback address.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
	}
	if err := r.Start(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// NewRabbitMQ starts a server for a test.
func NewRabbitMQ(t testing.TB, settings ...string) *RabbitMQ {
	t.Helper()
	r, err := StartRabbitMQ(t.Context(), t.TempDir(), settings...)
	require.NoError(t, err)
	t.Cleanup(r.Stop)
	return r
}

// Start starts the server again, on the same ports and files, after [RabbitMQ.Kill] or [RabbitMQ.Stop].
func (r *RabbitMQ) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			r.Stop()
		}
	}()
	// Erlang would start this daemon by itself, and leave it behind.
	if r.epmd, err = start(r.dir, r.dir+"/epmd.log", nil, "epmd", "-port", r.epmdPort, "-address", "127.0.0.1"); err != nil {
		return err
	}
	err = r.epmd.await(ctx, func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+r.epmdPort)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	if err != nil {
		return err
	}
	if r.p, err = start(r.dir, r.dir+"/stdout.log", r.env, r.program); err != nil {
		return err
	}
	return r.p.await(ctx, func(ctx context.Context) error {
		// The listener is opened last; it answers a greeting with its first frame, whose type is 1.
		answer, err := ask(ctx, r.Addr, "AMQP\x00\x00\x09\x01")
		if err == nil && !strings.HasPrefix(answer, "\x01") {
			err = fmt.Errorf("it says %q", answer)
		}
		return err
	})
}

// Kill ends the server as kill -9 does.
func (r *RabbitMQ) Kill() {
	r.p.kill()
	r.epmd.kill()
}

// Suspend makes the server hang, with all its connections open, until it is called with false.
func (r *RabbitMQ) Suspend(on bool) { r.p.suspend(on) }

// Stop ends the server in good order.
func (r *RabbitMQ) Stop() {
	if r.p != nil {
		r.p.stop(20 * time.Second)
	}
	if r.epmd != nil {
		r.epmd.kill()
	}
}

// rabbitProgram finds the script itself, because Debian's wrapper on the path insists on the system's user and folders.
func rabbitProgram() (string, error) {
	found, err := filepath.Glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")
	if err == nil && len(found) > 0 {
		slices.Sort(found)
		return found[len(found)-1], nil
	}
	path, lookErr := exec.LookPath("rabbitmq-server")
	if lookErr != nil {
		return "", fmt.Errorf("RabbitMQ is not installed; run scripts/setup.sh services: %w", errors.Join(err, lookErr))
	}
	return path, nil
}
