package amqpqueue

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func TestURL(t *testing.T) {
	a, err := parseURL("amqps://u%40:p%2F@host/v?queue=tasks-2&management=https://mgmt:1&consumer_timeout=90m&channel_max=99")
	require.NoError(t, err)
	require.Equal(t, []any{"host:5671", "v", "tasks-2", "tasks-2.dead", 90 * time.Minute, "https://u%40:p%2F@mgmt:1"},
		[]any{a.host, a.vhost, a.jobs(), a.dead(), a.consumerTimeout, a.management.String()})
	require.Equal(t, "amqps://u%40:p%2F@host/v?channel_max=99", a.server)

	a, err = parseURL("amqp://host:1?management=http://m:s@mgmt")
	require.NoError(t, err)
	require.Equal(t, []any{"host:1", "/", "jobs", "m:s"}, []any{a.host, a.vhost, a.jobs(), a.management.User.String()})
}

func TestBadURL(t *testing.T) {
	for _, url := range []string{
		"", "sqlite:/x", "amqp:", "amqp://", "http://host", "amqp://host?queue=", "amqp://host?queue=a%20b", "amqp://host?que=x",
		"amqp://host?management=x", "amqp://host?consumer_timeout=3", "amqp://host?consumer_timeout=-3h", "amqp://host?heartbeat=3",
		"amqp://u:secret%zz@host", "amqp://u:secret@host:port", "amqp://u:secret@host?channel_max=-1", "amqp://host?a=%zz",
	} {
		_, err := New(Config{URL: url})
		require.Equal(t, caption.KindInvalid, caption.KindOf(err), "%s: %v", url, err)
		require.NotContains(t, err.Error(), "secret")
	}
}

func FuzzURL(f *testing.F) {
	f.Add("amqp://u:p@host:1/v?queue=x&management=http://m&consumer_timeout=2h&channel_max=9")
	f.Add("amqps:///v")
	f.Fuzz(func(t *testing.T, url string) {
		a, err := parseURL(url)
		if err != nil {
			require.Equal(t, caption.KindInvalid, caption.KindOf(err))
			return
		}
		require.Regexp(t, queueName, a.queue)
		again, err := parseURL(a.server)
		require.NoError(t, err, "what is left for the client is a URL")
		require.Equal(t, a.host, again.host)
	})
}

func TestRetryQueue(t *testing.T) {
	a := address{queue: "q"}
	for after, want := range map[time.Duration]string{
		time.Nanosecond: "q.retry.1s", time.Second: "q.retry.1s", time.Second + 1: "q.retry.10s", 4 * time.Second: "q.retry.10s",
		time.Minute: "q.retry.1m", 64 * time.Second: "q.retry.10m", time.Hour: "q.retry.60m", 25 * time.Hour: "q.retry.longer",
		math.MaxInt64: "q.retry.longer",
	} {
		require.Equal(t, want, a.retryQueue(after), after)
	}
	for after, want := range map[time.Duration]int64{
		1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, 100 * 24 * time.Hour: math.MaxUint32, math.MaxInt64: math.MaxUint32,
	} {
		require.Equal(t, want, expiration(after), after)
	}
}

func TestOlder(t *testing.T) {
	for version, want := range map[string]bool{
		"3.10.8": true, "3.11.0": true, "3.12.0": false, "3.13.7": false, "4.0.1": false, "2.9": true, "": false, "main": false, "4.x": false,
	} {
		require.Equal(t, want, older(version, 3, 12), version)
	}
}
