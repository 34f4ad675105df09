package redisevents

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// allow counts an event in a window that starts with the first one. It returns 0 when the event is allowed, else the ms
// until the next will be. A key expires in the ms after its time is over: hence the one less and the one more.
var allow = redis.NewScript(`
local n, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count >= n then
	local left = redis.call('PTTL', KEYS[1])
	if left < 0 then
		return window
	end
	return left + 1
end
redis.call('INCR', KEYS[1])
if count == 0 then
	redis.call('PEXPIRE', KEYS[1], window - 1)
end
return 0
`)

// Allow counts an event. Windows are whole milliseconds, two at least.
func (r *Redis) Allow(ctx context.Context, key string, n int, window time.Duration) (bool, time.Duration, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	wait, err := allow.Run(ctx, r.client, []string{r.cfg.Prefix + ":limit:" + key}, n, max(window.Milliseconds(), 2)).Int64()
	if err != nil {
		return false, 0, r.fault("limit a rate", err)
	}
	return wait == 0, time.Duration(wait) * time.Millisecond, nil
}
