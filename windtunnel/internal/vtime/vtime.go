// Package vtime runs a function in virtual time: inside a bubble of testing/synctest, where time.Now, timers and tickers
// belong to the bubble and the clock jumps to the next timer as soon as every goroutine waits. Code that never heard of it,
// such as the controllers of Kubernetes, lives through a day in seconds.
//
// The standard library offers bubbles to tests only. An ordinary program gets one here by calling testing.Main with a
// single test. That function ends the process when its tests return, so the test never returns: it reports that the work is
// done and then waits for ever, outside of the bubble. Each Run leaves one such goroutine behind.
//
// What runs in a bubble must not wait for anything outside of it (the network, a file lock, a channel made elsewhere):
// while a goroutine does, the clock stands still.
package vtime

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"testing" //nolint:depguard // bubbles are to be had from a *testing.T only
	"testing/synctest"
	"time"
)

// Start is the time in every bubble when its work begins: midnight UTC.
var Start = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// worker does work outside of every bubble. Its channels belong to none, so that both sides may use them.
type worker struct {
	work chan func()
	done chan struct{}
}

var idle = make(chan worker)

// serve runs a worker until it is stopped.
func serve() (stop func()) {
	w, quit := worker{make(chan func()), make(chan struct{}, 1)}, make(chan struct{})
	go func() {
		for {
			select {
			case idle <- w:
				(<-w.work)()
				w.done <- struct{}{}
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit) }
}

// Outside runs work in a goroutine outside of every bubble and returns when it is done; the clock of the bubble stands still
// meanwhile. It is for what starts goroutines that never end, because a bubble ends only when all of its goroutines have.
func Outside(work func()) { Beside(work)() }

// Beside begins work outside of every bubble, and returns what waits until it is done: the bubble goes on meanwhile, on another core where
// there is one, and its clock, too. It is for what nobody in the bubble looks at before.
func Beside(work func()) (wait func()) {
	w := <-idle
	w.work <- work
	return func() { <-w.done }
}

// awaitSignals makes the process ready for signals. The first signal.Notify starts a goroutine that outlives everything; if
// that happened in a bubble (kube-scheduler installs a handler), the bubble would never end.
var awaitSignals = sync.OnceFunc(func() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	signal.Stop(signals)
})

// prepared guards what the process needs once. Bubbles are of the process, not of a value that could hold it.
var prepared sync.Once

// Run runs work in a bubble of its own and returns when every goroutine that it started has ended. It must be called from an
// ordinary program; a test uses Test. A panic of work is returned as an error with its stack.
func Run(work func()) error {
	awaitSignals()
	prepared.Do(func() {
		testing.Init()
		// Else package testing would read the flags of this program as its own.
		if !flag.Parsed() {
			_ = flag.CommandLine.Parse(nil)
		}
	})
	defer serve()()
	done := make(chan error, 1)
	test := func(t *testing.T) {
		var err error
		synctest.Test(t, func(*testing.T) { err = guard(work) })
		done <- err
		select {}
	}
	go testing.Main(
		func(string, string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "bubble", F: test}}, nil, nil)
	return <-done
}

// Test is Run for a test.
func Test(t *testing.T, work func()) error {
	t.Helper()
	awaitSignals()
	defer serve()()
	var err error
	synctest.Test(t, func(*testing.T) { err = guard(work) })
	return err
}

// Settle waits until every other goroutine of the bubble waits for a timer or for another goroutine: everything that could
// happen at this moment of virtual time has happened. Only one goroutine of a bubble may call it.
func Settle() { synctest.Wait() }

func guard(work func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the simulation panicked: %v\n%s", p, debug.Stack())
		}
	}()
	work()
	return nil
}
