//go:build autoscalers

package proof_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/internal/programs"
)

// broker is a real RabbitMQ with one queue of tasks.
type broker struct {
	URL        string `json:"url"`
	Management string `json:"management"`

	queue  string
	orders io.Writer
	says   *bufio.Scanner
	conn   *amqp.Connection
	ch     *amqp.Channel
}

func startBroker(t *testing.T, queue string) *broker {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), build(t, programs.RabbitMQ()), t.TempDir())
	cmd.Stderr = os.Stderr
	orders, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	// The end of its input, rather than a signal, ends it.
	cmd.Cancel = orders.Close
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = orders.Close() // It may be closed.
		_ = cmd.Wait()     // What mattered has been seen.
	})
	b := &broker{queue: queue, orders: orders, says: bufio.NewScanner(out)}
	require.True(t, b.says.Scan(), "RabbitMQ has started")
	require.NoError(t, json.Unmarshal(b.says.Bytes(), b))
	b.connect(t)
	// As package amqpqueue declares it.
	_, err = b.ch.QueueDeclare(queue, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	require.NoError(t, err)
	return b
}

func (b *broker) connect(t require.TestingT) {
	var err error
	b.conn, err = amqp.Dial(b.URL)
	require.NoError(t, err)
	b.ch, err = b.conn.Channel()
	require.NoError(t, err)
	require.NoError(t, b.ch.Confirm(false))
}

// put publishes tasks.
func (b *broker) put(t *testing.T, n int) {
	t.Helper()
	for range n {
		confirmation, err := b.ch.PublishWithDeferredConfirmWithContext(t.Context(), "", b.queue, false, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("a task")})
		require.NoError(t, err)
		ok, err := confirmation.WaitContext(t.Context())
		require.NoError(t, err)
		require.True(t, ok, "the broker has the task")
	}
}

// take takes tasks and keeps them, as workers do while they work.
func (b *broker) take(t *testing.T, n int) []amqp.Delivery {
	t.Helper()
	var taken []amqp.Delivery
	for end := time.Now().Add(patience); len(taken) < n; {
		d, ok, err := b.ch.Get(b.queue, false)
		require.NoError(t, err)
		if ok {
			taken = append(taken, d)
			continue
		}
		require.True(t, time.Now().Before(end), "%d of %d tasks", len(taken), n)
		time.Sleep(pause)
	}
	return taken
}

// finish acknowledges tasks.
func finish(t *testing.T, tasks []amqp.Delivery) {
	t.Helper()
	for _, task := range tasks {
		require.NoError(t, task.Ack(false))
	}
}

// stop ends the broker; start starts it again, with all its tasks.
func (b *broker) stop(t *testing.T) {
	t.Helper()
	b.order(t, "stop", "stopped")
}

func (b *broker) start(t *testing.T) {
	t.Helper()
	b.order(t, "start", "started")
	// A little later than the broker the queue itself is back; until then the broker closes channels of who asks for it.
	eventually(t, func(_ context.Context, t require.TestingT) {
		b.connect(t)
		_, err := b.ch.QueueDeclarePassive(b.queue, true, false, false, false, nil)
		require.NoError(t, err)
	})
}

func (b *broker) order(t *testing.T, order, answer string) {
	t.Helper()
	_, err := io.WriteString(b.orders, order+"\n")
	require.NoError(t, err)
	require.True(t, b.says.Scan(), "an answer to %q", order)
	require.Equal(t, answer, b.says.Text())
}
