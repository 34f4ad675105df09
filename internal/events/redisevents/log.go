package redisevents

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo makes the client library, which else writes to the standard error, say what it has to say at the level of debugging:
// whatever matters is an error of a call, too. The library has one logger for the whole process, so that this is for main.
func LogTo(log *slog.Logger) { redis.SetLogger(libraryLog{log}) }

type libraryLog struct{ log *slog.Logger }

// Printf is what the library calls.
func (l libraryLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "Redis client", "says", fmt.Sprintf(format, args...))
}
