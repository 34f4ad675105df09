package amqpqueue_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/queue/amqpqueue"
	"k8s-scalers/internal/queue/queuetest"
	"k8s-scalers/internal/testservers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ caption.Publisher    = (*amqpqueue.Queue)(nil)
	_ caption.Consumer     = (*amqpqueue.Queue)(nil)
	_ caption.DeadLetters  = (*amqpqueue.Queue)(nil)
	_ caption.QueueStatser = (*amqpqueue.Queue)(nil)
)

// holdLimit is what the servers of the tests are started with, so that they suit a task of an hour.
const holdLimit = "consumer_timeout = 7200000"

// place is a set of queues of their own on a server, and what the settings of those who use them have in common.
type place struct {
	server *testservers.RabbitMQ
	queue  string
}

var places struct {
	sync.Mutex
	n int
}

// newPlace returns queues that do not exist yet; they are deleted when the test ends.
func newPlace(t *testing.T, server *testservers.RabbitMQ) place {
	places.Lock()
	defer places.Unlock()
	places.n++
	p := place{server, fmt.Sprintf("jobs%d", places.n)}
	t.Cleanup(func() {
		conn, err := amqp.Dial(server.URL)
		require.NoError(t, err)
		ch, err := conn.Channel()
		require.NoError(t, err)
		for _, suffix := range []string{"", ".dead", ".retry.1s", ".retry.10s", ".retry.1m", ".retry.10m", ".retry.60m", ".retry.longer"} {
			_, err := ch.QueueDelete(p.queue+suffix, false, false, false)
			require.NoError(t, err)
		}
		require.NoError(t, ch.ExchangeDelete(p.queue+".dead", false, false))
		require.NoError(t, conn.Close())
	})
	return p
}

// url is that of the queue by way of addr.
func (p place) url(addr string) string {
	return strings.Replace(p.server.URL, p.server.Addr, addr, 1) + "?queue=" + p.queue + "&consumer_timeout=2h"
}

func (p place) managed(addr string) string {
	return p.url(addr) + "&management=" + url.QueryEscape(p.server.Management)
}

// process is a queue with its Run, behind a proxy of its own.
type process struct {
	*amqpqueue.Queue
	proxy *testservers.Proxy
	stop  func()
}

func (p *process) Close(t *testing.T) {
	p.stop()
	require.NoError(t, p.Queue.Close())
}

// Kill cuts the process off, so that nothing that it still does is heard.
func (p *process) Kill(t *testing.T) {
	p.proxy.Refuse(true)
	p.Close(t)
}

func (p *process) Expel(*testing.T) { p.proxy.Cut() }

func (p *process) Stall(*testing.T) { p.proxy.Stall(true) }

// start starts a process; cfg.URL is made from the address of its proxy.
func start(t *testing.T, server *testservers.RabbitMQ, at func(addr string) string, cfg amqpqueue.Config) *process {
	proxy := testservers.NewProxy(t, server.Addr)
	cfg.URL = at(proxy.Addr)
	q, err := amqpqueue.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(func() {
		stop()
		require.NoError(t, q.Close())
	})
	return &process{Queue: q, proxy: proxy, stop: stop}
}

// conformanceServer is the server of RABBITMQ_URL (amqp://user:password@host:port/) with the management interface of
// RABBITMQ_MANAGEMENT (http://user:password@host:port), where they are set. It must take tasks back after two hours, as ours does.
func conformanceServer(t *testing.T) *testservers.RabbitMQ {
	at, err := url.Parse(os.Getenv("RABBITMQ_URL"))
	require.NoError(t, err)
	if at.Host == "" {
		return testservers.NewRabbitMQ(t, holdLimit)
	}
	return &testservers.RabbitMQ{URL: at.String(), Addr: at.Host, Management: os.Getenv("RABBITMQ_MANAGEMENT")}
}

func TestConformance(t *testing.T) {
	server := conformanceServer(t)
	f := queuetest.Features{MaxAttempts: 3, Visibility: 4 * time.Second, StrictOrder: true}
	queuetest.Run(t, f, func(t *testing.T) func(*testing.T) queuetest.Process {
		at := newPlace(t, server)
		return func(t *testing.T) queuetest.Process {
			// The machine may be slow at so many queues at a time.
			return start(t, server, at.managed, amqpqueue.Config{Visibility: f.Visibility, MaxAttempts: f.MaxAttempts, Timeout: 20 * time.Second})
		}
	})
}
