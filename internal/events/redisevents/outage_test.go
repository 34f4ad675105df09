package redisevents_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/events/redisevents"
	"k8s-scalers/internal/testservers"
)

// patience is how long something that must happen may take before a test gives up on it.
const patience = 60 * time.Second

func event(job string, seq int) caption.Event {
	return caption.Event{Job: caption.Job{ID: job, Seq: int64(seq)}}
}

// subscribe tries until it works.
func subscribe(t *testing.T, r *redisevents.Redis, job string) <-chan *caption.Event {
	t.Helper()
	var events <-chan *caption.Event
	require.Eventually(t, func() bool {
		var cancel func()
		var err error
		events, cancel, err = r.Subscribe(t.Context(), job)
		if err != nil {
			require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%v", err)
			return false
		}
		t.Cleanup(cancel)
		return true
	}, patience, time.Millisecond)
	return events
}

func requireClosed(t *testing.T, events <-chan *caption.Event) {
	t.Helper()
	select {
	case _, ok := <-events:
		require.False(t, ok)
	case <-time.After(patience):
		require.FailNow(t, "the channel was not closed")
	}
}

// requireWorks publishes from one client until another has the event, which a replica of Redis may take a while for.
func requireWorks(t *testing.T, from, to *redisevents.Redis) {
	t.Helper()
	events := subscribe(t, to, "job")
	deadline := time.After(patience)
	for seq := 1; ; seq++ {
		err := from.PublishEvent(t.Context(), event("job", seq))
		if err != nil {
			require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%v", err)
		}
		select {
		case e, ok := <-events:
			if ok {
				require.Equal(t, "job", e.Job.ID)
				return
			}
			events = subscribe(t, to, "job")
		case <-deadline:
			require.FailNow(t, "no event came")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// requireUnavailable tries everything while Redis is away.
func requireUnavailable(t *testing.T, r *redisevents.Redis) {
	t.Helper()
	for name, err := range calls(t.Context(), r) {
		require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%s: %v", name, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for name, err := range calls(ctx, r) {
		require.Error(t, err, name)
	}
	require.Error(t, ctx.Err(), "the calls went on until the end of the context, or Redis refused them")
}

func calls(ctx context.Context, r *redisevents.Redis) map[string]error {
	_, _, subscribed := r.Subscribe(ctx, "job")
	_, issued := r.IssueTicket(ctx, "value", time.Minute)
	_, redeemed := r.RedeemTicket(ctx, "ticket")
	_, _, limited := r.Allow(ctx, "key", 1, time.Minute)
	return map[string]error{
		"subscribe": subscribed, "publish": r.PublishEvent(ctx, event("job", 1)), "issue": issued, "redeem": redeemed,
		"limit": limited, "ping": r.Ping(ctx),
	}
}

func TestRestart(t *testing.T) {
	server := testservers.NewRedis(t)
	cfg := redisevents.Config{URL: "redis://" + server.Addr, Prefix: "shared", Timeout: time.Second}
	a, b := open(t, cfg), open(t, cfg)
	requireWorks(t, a, b)
	for range 3 {
		events := subscribe(t, b, "another job")
		server.Kill()
		requireClosed(t, events)
		requireUnavailable(t, b)
		require.NoError(t, server.Start(t.Context()))
		requireWorks(t, a, b)
	}
}

// TestHang suspends Redis: its connections stay open, and nothing comes out of them.
func TestHang(t *testing.T) {
	server := testservers.NewRedis(t)
	r := open(t, redisevents.Config{URL: "redis://" + server.Addr, Timeout: time.Second, Heartbeat: 300 * time.Millisecond})
	quiet := subscribe(t, r, "quiet")
	time.Sleep(time.Second) // Three times as long as the subscription may be silent without being asked.
	require.NoError(t, r.PublishEvent(t.Context(), event("quiet", 1)))
	require.EqualValues(t, 1, (<-quiet).Job.Seq, "a quiet subscription is not a dead one")
	server.Suspend(true)
	requireClosed(t, quiet)
	requireUnavailable(t, r)
	server.Suspend(false)
	requireWorks(t, r, r)
}

func TestSentinelFailover(t *testing.T) {
	master := testservers.NewRedis(t)
	host, port, _ := strings.Cut(master.Addr, ":")
	replica := testservers.NewRedis(t, "--replicaof", host+" "+port)
	sentinel := testservers.NewSentinel(t, "mymaster", master)
	require.Eventually(t, func() bool {
		return strings.Contains(sentinel.Answer(t, "INFO", "sentinel"), "slaves=1") &&
			strings.Contains(replica.Answer(t, "INFO", "replication"), "master_link_status:up")
	}, patience, 50*time.Millisecond)

	r := open(t, redisevents.Config{URL: "redis+sentinel://" + sentinel.Addr + "/0?master_name=mymaster", Timeout: time.Second})
	requireWorks(t, r, r)
	events := subscribe(t, r, "another job")
	master.Kill()
	requireClosed(t, events)
	requireWorks(t, r, r)
	ticket, err := r.IssueTicket(t.Context(), "value", time.Minute)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(replica.Answer(t, "EXISTS", fmt.Sprintf("test%d:ticket:%s", prefixes.Load(), ticket)), ":1"),
		"the replica is the master now")
}

func TestRefused(t *testing.T) {
	server := testservers.NewRedis(t, "--requirepass", "correct horse")
	for _, user := range []string{"", ":wrong@"} {
		r, err := redisevents.New(redisevents.Config{URL: "redis://" + user + server.Addr})
		require.NoError(t, err)
		err = r.Ping(t.Context())
		require.Equal(t, caption.KindInvalid, caption.KindOf(err), "%v", err)
		require.NoError(t, r.Close())
	}
	r := open(t, redisevents.Config{URL: "redis://:correct%20horse@" + server.Addr})
	require.NoError(t, r.Ping(t.Context()))
	requireWorks(t, r, r)
}

func TestClosed(t *testing.T) {
	server := testservers.NewRedis(t)
	r := open(t, redisevents.Config{URL: "redis://" + server.Addr})
	events := subscribe(t, r, "job")
	require.NoError(t, r.Close())
	requireClosed(t, events)
	_, _, err := r.Subscribe(t.Context(), "job")
	require.Error(t, err)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
}

// TestForeignMessages shows that what somebody else sends on the channel does no harm.
func TestForeignMessages(t *testing.T) {
	server := testservers.NewRedis(t)
	r := open(t, redisevents.Config{URL: "redis://" + server.Addr, Prefix: "p"})
	events := subscribe(t, r, "job")
	for _, body := range []string{"", "{", "null", "7", `{"job":7}`} {
		require.Equal(t, ":1", server.Command(t, "PUBLISH", "p:events", body))
	}
	require.NoError(t, r.PublishEvent(t.Context(), event("job", 5)))
	require.EqualValues(t, 5, (<-events).Job.Seq)
}
