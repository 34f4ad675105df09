package redisevents

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func TestURL(t *testing.T) {
	for url, check := range map[string]func(*testing.T, redis.UniversalClient){
		"redis://u:p%40@host/4": func(t *testing.T, c redis.UniversalClient) {
			o := c.(*redis.Client).Options()
			require.Equal(t, []any{"host:6379", "u", "p@", 4, 0}, []any{o.Addr, o.Username, o.Password, o.DB, o.MaxRetries})
			require.Nil(t, o.TLSConfig)
		},
		"rediss://host:1?pool_size=7&read_timeout=9s": func(t *testing.T, c redis.UniversalClient) {
			o := c.(*redis.Client).Options()
			require.Equal(t, "host", o.TLSConfig.ServerName)
			require.Equal(t, []any{7, "9s", "3s"}, []any{o.PoolSize, o.ReadTimeout.String(), o.WriteTimeout.String()})
		},
		"redis+sentinel://a:26379/2?master_name=m&addr=b:26379&password=p": func(t *testing.T, c redis.UniversalClient) {
			o := c.(*redis.Client).Options()
			require.Equal(t, []any{"FailoverClient", 2, "p"}, []any{o.Addr, o.DB, o.Password})
		},
		"redis+cluster://u:p@a:1?addr=b:2": func(t *testing.T, c redis.UniversalClient) {
			o := c.(*redis.ClusterClient).Options()
			require.Equal(t, []any{[]string{"a:1", "b:2"}, "u", "p"}, []any{o.Addrs, o.Username, o.Password})
		},
		"rediss+cluster://a:1": func(t *testing.T, c redis.UniversalClient) {
			require.Empty(t, c.(*redis.ClusterClient).Options().TLSConfig.ServerName)
		},
	} {
		t.Run(url, func(t *testing.T) {
			connect, err := parseURL(Config{URL: url, Timeout: 3 * time.Second})
			require.NoError(t, err)
			c := connect()
			defer func() { require.NoError(t, c.Close()) }()
			check(t, c)
		})
	}
}

func TestBadURL(t *testing.T) {
	for _, url := range []string{
		"", "memory:", "http://host", "redis:", "redis://", "redis://host/x", "redis://host/1/2", "redis://host?nonsense=1",
		"redis+sentinel://host", "redis+other://host", "redis+cluster://host?addr=x", "redis://user:secret%zz@host", "redis://:secret@host:port",
	} {
		_, err := New(Config{URL: url})
		require.Equal(t, caption.KindInvalid, caption.KindOf(err), "%s: %v", url, err)
		require.NotContains(t, err.Error(), "secret")
	}
}

func FuzzURL(f *testing.F) {
	for _, url := range []string{"redis://u:p@host:1/2", "rediss+sentinel://h?master_name=m&addr=x:1", "redis+cluster://h?addr=x:1"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		connect, err := parseURL(Config{URL: url})
		if err != nil {
			require.Equal(t, caption.KindInvalid, caption.KindOf(err))
			return
		}
		require.NotNil(t, connect)
	})
}
