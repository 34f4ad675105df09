package amqpqueue_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/queue/amqpqueue"
	"k8s-scalers/internal/testservers"
)

// patience is how long something that must happen may take before a test gives up on it.
const patience = 60 * time.Second

func task(i int) caption.Task {
	return caption.Task{Kind: caption.Transcribe, JobID: fmt.Sprintf("job%d", i), Run: 1, Segment: i}
}

func receive(t *testing.T, q *amqpqueue.Queue) caption.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d, err := q.Receive(ctx)
	require.NoError(t, err)
	return d
}

func requireKind(t *testing.T, want caption.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, caption.KindOf(err), "%v", err)
}

func requireLost(t *testing.T, d caption.Delivery) {
	t.Helper()
	select {
	case <-d.Lost():
	case <-time.After(patience):
		require.FailNow(t, "the task was not lost")
	}
}

// requireUp waits until the queue can be used.
func requireUp(t *testing.T, q *amqpqueue.Queue) {
	t.Helper()
	require.Eventually(t, func() bool { return q.Ping(t.Context()) == nil }, patience, 10*time.Millisecond)
}

// requireDown tries everything while RabbitMQ is away.
func requireDown(t *testing.T, q *amqpqueue.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	requireKind(t, caption.KindUnavailable, q.Publish(ctx, task(0)))
	require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded, "it waited for as long as it might")
	requireKind(t, caption.KindUnavailable, q.Publish(t.Context(), task(0)))
	_, err := q.QueueStats(t.Context())
	requireKind(t, caption.KindUnavailable, err)
	_, err = q.DeadLetters(t.Context(), 1)
	requireKind(t, caption.KindUnavailable, err)
	requireKind(t, caption.KindUnavailable, q.DropDeadLetter(t.Context(), "id"))
	requireKind(t, caption.KindUnavailable, q.RetryDeadLetter(t.Context(), "id"))
	requireKind(t, caption.KindUnavailable, q.Ping(t.Context()))
	requireKind(t, caption.KindUnavailable, q.Check(t.Context()))
}

// TestOutage kills RabbitMQ under those who publish and consume.
func TestOutage(t *testing.T) {
	server := testservers.NewRabbitMQ(t, holdLimit)
	at := newPlace(t, server)
	// Without the proxy, which would answer for a server that is away.
	direct := func(string) string { return at.url(server.Addr) }
	cfg := amqpqueue.Config{Visibility: 4 * time.Second, MaxAttempts: 20, Timeout: 500 * time.Millisecond}
	publisher, consumer := start(t, server, direct, cfg), start(t, server, direct, cfg)
	requireUp(t, publisher.Queue)
	requireUp(t, consumer.Queue)

	var mu sync.Mutex
	handled := map[int]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			for {
				d, err := consumer.Receive(ctx) // through all outages
				if err != nil {
					return
				}
				mu.Lock()
				handled[d.Task().Segment] = true
				mu.Unlock()
				_ = d.Ack(ctx) // Where that fails, the task comes again.
			}
		})
	}
	confirmed := map[int]bool{}
	publish := func(from, to int) {
		for i := from; i < to; i++ {
			if publisher.Publish(t.Context(), task(i)) == nil {
				confirmed[i] = true
			}
		}
	}
	publish(0, 200)
	require.Len(t, confirmed, 200)
	for round := 1; round <= 2; round++ {
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			server.Kill()
		}()
		publish(200*round, 200*round+5) // while it dies
		require.Eventually(t, func() bool { return publisher.Publish(t.Context(), task(-1)) != nil }, patience, 10*time.Millisecond)
		<-killed
		requireDown(t, publisher.Queue)
		require.NoError(t, server.Start(t.Context()))
		requireUp(t, publisher.Queue)
		publish(200*round+5, 200*round+200)
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		for i := range confirmed {
			if !handled[i] {
				return false
			}
		}
		return true
	}, patience, 20*time.Millisecond, "every confirmed task is handled")
	require.Greater(t, len(confirmed), 400)
	cancel()
	wg.Wait()
}

// TestHeldTooLong has a server that takes tasks back after 3 s, and a queue that was told another time.
func TestHeldTooLong(t *testing.T) {
	server := testservers.NewRabbitMQ(t, "consumer_timeout = 3000")
	at := newPlace(t, server)
	q := start(t, server, at.managed, amqpqueue.Config{MaxAttempts: 2})
	requireUp(t, q.Queue)
	require.NoError(t, q.Publish(t.Context(), task(0), task(1)))
	held := receive(t, q.Queue)
	requireLost(t, held)
	requireKind(t, caption.KindConflict, held.Ack(t.Context()))
	// That concerns this one only, and none that are received in time.
	for range 2 {
		require.NoError(t, receive(t, q.Queue).Ack(t.Context()))
	}

	t.Run("Hang", func(t *testing.T) {
		q := start(t, server, newPlace(t, server).url, amqpqueue.Config{Visibility: 4 * time.Second, Timeout: 300 * time.Millisecond})
		requireUp(t, q.Queue)
		require.NoError(t, q.Publish(t.Context(), task(0)))
		d := receive(t, q.Queue)
		server.Suspend(true)
		requireKind(t, caption.KindUnavailable, d.Ack(t.Context()))
		requireKind(t, caption.KindUnavailable, q.Publish(t.Context(), task(1)))
		server.Suspend(false)
		requireUp(t, q.Queue)
	})
}

func TestCheck(t *testing.T) {
	server := testservers.NewRabbitMQ(t, holdLimit)
	at := newPlace(t, server)
	for name, c := range map[string]struct {
		cfg  amqpqueue.Config
		kind caption.Kind
		says string
	}{
		"ok":       {cfg: amqpqueue.Config{URL: at.url(server.Addr)}},
		"ok again": {cfg: amqpqueue.Config{URL: at.url(server.Addr)}},
		"away":     {amqpqueue.Config{URL: at.url("127.0.0.1:1")}, caption.KindUnavailable, "127.0.0.1:1"},
		"password": {amqpqueue.Config{URL: "amqp://app:wrong@" + server.Addr}, caption.KindInvalid, "refuses the user or the password"},
		"vhost":    {amqpqueue.Config{URL: server.URL + "nowhere"}, caption.KindInvalid, `no virtual host "nowhere"`},
		"too long": {amqpqueue.Config{URL: server.URL + "?queue=" + at.queue}, caption.KindInvalid, "consumer_timeout = 3660000"},
		"too long, said": {
			amqpqueue.Config{URL: at.url(server.Addr), LongestTask: 3 * time.Hour}, caption.KindInvalid, "takes tasks back after 2h0m0s",
		},
		"short enough": {cfg: amqpqueue.Config{URL: server.URL + "?queue=" + at.queue, LongestTask: 20 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := amqpqueue.New(c.cfg)
			require.NoError(t, err)
			err = q.Check(t.Context())
			if c.kind == "" {
				require.NoError(t, err)
			} else {
				requireKind(t, c.kind, err)
				require.ErrorContains(t, err, c.says)
				require.NotContains(t, err.Error(), "wrong")
			}
			require.NoError(t, q.Close())
		})
	}
	t.Run("other arguments", func(t *testing.T) {
		at := newPlace(t, server)
		old := start(t, server, at.url, amqpqueue.Config{MaxAttempts: 5})
		requireUp(t, old.Queue)
		upgraded, err := amqpqueue.New(amqpqueue.Config{URL: at.url(server.Addr), MaxAttempts: 7})
		require.NoError(t, err)
		for _, err := range []error{upgraded.Check(t.Context()), upgraded.Run(t.Context())} {
			requireKind(t, caption.KindInvalid, err)
			require.ErrorContains(t, err, "x-delivery-limit")
			require.ErrorContains(t, err, "rabbitmqctl delete_queue "+at.queue)
		}
		require.NoError(t, upgraded.Close())
		// The old one goes on.
		require.NoError(t, old.Publish(t.Context(), task(0)))
		require.NoError(t, receive(t, old.Queue).Ack(t.Context()))
	})
}

// TestDeletedQueue deletes the queues from under a process: what was published there is not reported as stored, and the
// queues are declared anew.
func TestDeletedQueue(t *testing.T) {
	server := testservers.NewRabbitMQ(t, holdLimit)
	at := newPlace(t, server)
	q := start(t, server, at.url, amqpqueue.Config{})
	requireUp(t, q.Queue)
	require.NoError(t, q.Publish(t.Context(), task(0)))
	require.NoError(t, receive(t, q.Queue).Ack(t.Context()))

	conn, err := amqp.Dial(server.URL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	_, err = ch.QueueDelete(at.queue, false, false, false)
	require.NoError(t, err)

	requireKind(t, caption.KindUnavailable, q.Publish(t.Context(), task(1)))
	require.Eventually(t, func() bool { return q.Publish(t.Context(), task(2)) == nil }, patience, 10*time.Millisecond)
	d := receive(t, q.Queue)
	require.Equal(t, task(2), d.Task())
	require.NoError(t, d.Ack(t.Context()))

	// Under somebody who waits.
	got := make(chan caption.Delivery, 1)
	go func() {
		d, _ := q.Receive(t.Context())
		got <- d
	}()
	time.Sleep(100 * time.Millisecond) // It waits by now; the test holds if not, too.
	_, err = ch.QueueDelete(at.queue, false, false, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return q.Publish(t.Context(), task(3)) == nil }, patience, 10*time.Millisecond)
	d = <-got
	require.Equal(t, task(3), d.Task())
	require.NoError(t, d.Ack(t.Context()))
}
