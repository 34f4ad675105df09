// Command windtunnel runs the real autoscalers of Kubernetes in virtual time against the manifests that somebody will deploy.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	_ "time/tzdata" // Time zones of cron triggers, on machines that have none.

	"github.com/alecthomas/kong"
)

type cli struct {
	Run runCommand `cmd:"" help:"Run a scenario and say what happened to users, pods and the bill."`

	Check     checkCommand     `cmd:"" help:"Find the mistakes in manifests that are applied together, each with its reason and its fix."`
	Compare   compareCommand   `cmd:"" help:"Run one scenario under several policies and say what is better and what is worse."`
	Measure   measureCommand   `cmd:"" help:"Find out from the metrics of running services how long their requests and tasks take, for a scenario."`
	Scenarios scenariosCommand `cmd:"" help:"List the scenarios that ship."`
}

// exitInterrupted is the exit code of a run that Ctrl-C has ended.
const exitInterrupted = 130

// errInterrupted is the end of a run that Ctrl-C has ended; what it had until then is written.
var errInterrupted = errors.New("interrupted")

// stop is asked for by Ctrl-C; a run then ends with what it has so far.
type stop struct {
	heard chan struct{} // closed when it was asked for
	ask   func()
}

func newStop() *stop {
	heard := make(chan struct{})
	return &stop{heard, sync.OnceFunc(func() { close(heard) })}
}

func (s *stop) asked() bool {
	select {
	case <-s.heard:
		return true
	default:
		return false
	}
}

func (s *stop) watch() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		s.ask()
		<-signals
		os.Exit(exitInterrupted)
	}()
}

func main() {
	// A run makes much garbage out of a small heap; with the usual setting a third of the time goes into collecting it. With a much
	// higher one than this, memory that is not in the cache of the processor costs more than collecting.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	// What runs in virtual time takes turns, so that a second processor helps little, while handing the turns from one to the other costs
	// a tenth of the time.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	stopping := newStop()
	stopping.watch()
	parsed := kong.Parse(&cli{},
		kong.Name("windtunnel"),
		kong.Description("Runs the real autoscalers of Kubernetes in virtual time against your manifests.\n\n"+
			"Exit codes: 0 all went well; 1 something is wrong, and said on standard error; 80 so is the command line; 130 interrupted by Ctrl-C, and what there was until then is written."),
		kong.UsageOnError(),
		kong.Bind(stopping),
	)
	switch err := parsed.Run(); {
	case errors.Is(err, errInterrupted):
		os.Exit(exitInterrupted)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
