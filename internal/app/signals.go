package app

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

type forceKey struct{}

// Signals returns a context for [App.Run] that ends at the first of the signals. At the second, Run stops at once; the
// third has its default effect, which ends the process. Call stop to free the signals.
func Signals(parent context.Context, signals ...os.Signal) (ctx context.Context, stop func()) {
	force, cancelForce := context.WithCancel(context.Background())
	ctx, cancel := context.WithCancelCause(context.WithValue(parent, forceKey{}, force))
	received := make(chan os.Signal, 2)
	signal.Notify(received, signals...)
	stopped, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer signal.Stop(received)
		for _, react := range []func(os.Signal){
			func(s os.Signal) { cancel(fmt.Errorf("%w: signal %s", ErrStopping, s)) },
			func(os.Signal) { cancelForce() },
		} {
			select {
			case s := <-received:
				react(s)
			case <-stopped:
				return
			}
		}
	}()
	return ctx, func() {
		close(stopped)
		<-done
		cancel(ErrStopping)
		cancelForce()
	}
}

// forced returns the context that ends at the second signal, or one that never ends.
func forced(ctx context.Context) context.Context {
	if f, ok := ctx.Value(forceKey{}).(context.Context); ok {
		return f
	}
	return context.Background()
}
