package httpapi

import "context"

type drainKey struct{}

// WithDrain returns a context from which [Drain] returns drain. Package app does this for the requests of its servers.
func WithDrain(ctx, drain context.Context) context.Context {
	return context.WithValue(ctx, drainKey{}, drain)
}

// Drain returns a context that ends when the server of the request begins to shut down. Ordinary requests may finish
// and do not look at it; handlers of endless streams (WebSocket, SSE) end their stream when it is done. Outside
// of such a server it never ends.
func Drain(ctx context.Context) context.Context {
	if d, ok := ctx.Value(drainKey{}).(context.Context); ok {
		return d
	}
	return context.Background()
}
