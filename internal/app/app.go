// Package app is the lifecycle of a process: it binds listeners, serves HTTP and an admin port with probes, metrics and
// profiles, runs loops, and takes all of it down in order. What is served, and which backends a process has, is
// decided by its main.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrStopping is the cause of contexts that end because the process shuts down in order: finish or give back what
// is at hand, and take nothing new.
var ErrStopping = errors.New("the process is shutting down")

// ErrHardStop is the cause of contexts that end because the time to shut down in order is over.
var ErrHardStop = errors.New("the process had to stop at once")

// Options describe an App. Zero durations other than DrainPause mean the default.
type Options struct {
	Name   string // of the program, for logs
	Logger *slog.Logger
	// AdminAddr is where probes, metrics and profiles are served. Empty: they are not.
	AdminAddr string
	Gatherer  prometheus.Gatherer // of /metrics; nil: an empty page

	// AddrSetting and AdminAddrSetting name the settings that a user changes when a port is taken.
	AddrSetting      string // default --addr
	AdminAddrSetting string // default --admin-addr

	// MaxConnAge is how old a connection becomes: the first answer after that closes it, and the client opens another. A Service of
	// Kubernetes chooses the pod for each connection, so that pods which are new get nothing from clients that keep theirs.
	// Default 1 min.
	MaxConnAge time.Duration
	// DrainPause is how long requests are still accepted after readiness fails, so that load balancers notice.
	DrainPause time.Duration
	// DrainTimeout is how long requests in flight may take to finish. Default 10 s.
	DrainTimeout time.Duration
	// SoftTimeout is how long loops may take to end after they were asked to. Default 20 s.
	SoftTimeout time.Duration
	// HardTimeout is how long loops may take to end after their hard context ended. Default 5 s.
	HardTimeout time.Duration
}

// App is one process. Build it up with its methods, from one goroutine, then call Run once. Where building up fails
// half-way, call Close instead.
type App struct {
	o     Options
	log   *slog.Logger
	admin *server

	servers  []*server
	loops    []loop
	last     []loop // asked to end after the loops
	drains   []drain
	cleanups []cleanup
	checks   []check

	// ready is true while Run serves and no stop was asked for.
	ready   atomic.Bool
	closing sync.Once

	draining   context.Context // ends when requests begin to be drained
	startDrain context.CancelCauseFunc
	soft       context.Context // ends when loops must come to an end
	stopSoft   context.CancelCauseFunc
	final      context.Context // ends when the loops that others rely on must come to an end
	stopFinal  context.CancelCauseFunc
	hard       context.Context // ends when nothing may go on
	stopHard   context.CancelCauseFunc
}

type loop struct {
	name string
	run  func(soft, hard context.Context) error
}

type drain struct {
	name string
	run  func(context.Context) error
}

type cleanup struct {
	name    string
	timeout time.Duration
	run     func(context.Context) error
}

// New returns an App, with its admin port bound.
func New(o Options) (*App, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.MaxConnAge, time.Minute)
	def(&o.DrainTimeout, 10*time.Second)
	def(&o.SoftTimeout, 20*time.Second)
	def(&o.HardTimeout, 5*time.Second)
	if o.AddrSetting == "" {
		o.AddrSetting = "--addr"
	}
	if o.AdminAddrSetting == "" {
		o.AdminAddrSetting = "--admin-addr"
	}
	a := &App{o: o, log: o.Logger}
	a.draining, a.startDrain = context.WithCancelCause(context.Background())
	a.soft, a.stopSoft = context.WithCancelCause(context.Background())
	a.final, a.stopFinal = context.WithCancelCause(context.Background())
	a.hard, a.stopHard = context.WithCancelCause(context.Background())
	if o.AdminAddr != "" {
		s, err := a.bind("admin", o.AdminAddr, o.AdminAddrSetting, a.adminHandler())
		if err != nil {
			return nil, err
		}
		a.admin = s
	}
	return a, nil
}

// Listen binds addr now, and serves h on it while Run runs. The returned address has the port that was chosen where
// addr ends in ":0". Servers are drained in reverse order, so bind the one at the front last.
func (a *App) Listen(name, addr string, h http.Handler) (net.Addr, error) {
	s, err := a.bind(name, addr, a.o.AddrSetting, h)
	if err != nil {
		return nil, err
	}
	a.servers = append(a.servers, s)
	return s.listener.Addr(), nil
}

// AdminAddr is the bound address of the admin port, or nil.
func (a *App) AdminAddr() net.Addr {
	if a.admin == nil {
		return nil
	}
	return a.admin.listener.Addr()
}

// Go runs a loop while Run runs. Its context ends, with the cause [ErrStopping], when the loop must come to an end. Nil
// means that the loop has done its work. Any error stops the process, and Run returns it, except the end of the context after
// a stop was asked for.
func (a *App) Go(name string, run func(ctx context.Context) error) {
	a.GoStages(name, func(soft, _ context.Context) error { return run(soft) })
}

// GoStages is [App.Go] for loops that finish work at hand: when soft ends they take nothing new; what they have begun may
// go on until hard ends, with the cause [ErrHardStop].
func (a *App) GoStages(name string, run func(soft, hard context.Context) error) {
	a.loops = append(a.loops, loop{name, run})
}

// GoLast is [App.Go] for a loop that others rely on, such as one that keeps their leases alive: its context ends after all
// other loops have ended.
func (a *App) GoLast(name string, run func(ctx context.Context) error) {
	a.last = append(a.last, loop{name, func(context.Context, context.Context) error { return run(a.final) }})
}

// OnDrain registers what is to be done while requests are drained, for connections that no server knows any more, such
// as proxied WebSockets. It has as long as the requests have.
func (a *App) OnDrain(name string, run func(ctx context.Context) error) {
	a.drains = append(a.drains, drain{name, run})
}

// OnClose registers a clean-up. Clean-ups run once, last registered first, after servers and loops have ended; each
// may take as long as its timeout, and is left behind then.
func (a *App) OnClose(name string, timeout time.Duration, run func(ctx context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, timeout, run})
}

// Ready registers a check of readiness: /readyz fails while it returns an error.
func (a *App) Ready(name string, run func(ctx context.Context) error) {
	a.checks = append(a.checks, check{name, run})
}

// Run serves until ctx ends or something fails, then takes everything down: readiness fails, a pause, requests are
// drained, loops are asked to end and then made to, clean-ups run. It returns nil after an orderly stop. A context of
// [Signals] may cut this short with a second signal.
func (a *App) Run(ctx context.Context) error {
	failed := make(chan error, len(a.servers)+len(a.loops)+len(a.last)+1)
	fail := func(err error) {
		if err != nil {
			failed <- err
		}
	}
	var servers sync.WaitGroup
	for _, s := range a.all() {
		servers.Go(func() { fail(s.serve()) })
		a.log.Info("listening", "name", s.name, "addr", s.listener.Addr().String())
	}
	loops, last := newRunning(), newRunning()
	for _, l := range a.last {
		last.start(l.name, func() { fail(a.runLoop(l)) })
	}
	for _, l := range a.loops {
		loops.start(l.name, func() { fail(a.runLoop(l)) })
	}
	a.ready.Store(true)

	var errs []error
	select {
	case <-ctx.Done():
		a.log.Info("stopping", "app", a.o.Name, "cause", context.Cause(ctx))
	case err := <-failed:
		errs = append(errs, err)
		a.log.Error("stopping", "app", a.o.Name, "error", err)
	}
	a.ready.Store(false)

	stopForcing := context.AfterFunc(forced(ctx), func() {
		a.log.Warn("stopping at once")
		a.startDrain(ErrHardStop)
		a.stopSoft(ErrHardStop)
		a.stopHard(ErrHardStop)
	})
	defer stopForcing()
	if len(errs) == 0 { // A broken process has nothing to gain from more requests.
		wait(a.hard, a.o.DrainPause)
	}
	a.drain()
	a.stopSoft(ErrStopping)
	if !loops.wait(a.hard, a.o.SoftTimeout) {
		a.log.Warn("loops are stopped at once", "loops", loops.names())
	}
	a.stopHard(ErrHardStop)
	if !loops.wait(context.Background(), a.o.HardTimeout) {
		errs = append(errs, fmt.Errorf("these did not stop in time: %v", loops.names()))
	}
	a.stopFinal(ErrStopping)
	if !last.wait(context.Background(), a.o.HardTimeout) {
		errs = append(errs, fmt.Errorf("these did not stop in time: %v", last.names()))
	}
	errs = append(errs, a.Close())
	servers.Wait()
	for {
		select {
		case err := <-failed:
			errs = append(errs, err)
		default:
			return errors.Join(errs...)
		}
	}
}

// Close runs the clean-ups and frees the listeners, once. Run does this itself; Close is for when Run is never called.
func (a *App) Close() error {
	var errs []error
	a.closing.Do(func() {
		a.startDrain(ErrStopping)
		a.stopSoft(ErrStopping)
		a.stopFinal(ErrStopping)
		a.stopHard(ErrHardStop)
		for _, s := range a.servers {
			s.close()
		}
		for _, c := range slices.Backward(a.cleanups) {
			errs = append(errs, a.runCleanup(c))
		}
		if a.admin != nil {
			a.admin.close()
		}
	})
	return errors.Join(errs...)
}

// all returns the servers, with the one of the admin port.
func (a *App) all() []*server {
	if a.admin == nil {
		return a.servers
	}
	return append([]*server{a.admin}, a.servers...)
}

func (a *App) runLoop(l loop) error {
	err := l.run(a.soft, a.hard)
	if err == nil || a.soft.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ErrStopping) || errors.Is(err, ErrHardStop)) {
		return nil
	}
	return fmt.Errorf("%s: %w", l.name, err)
}

// drain lets requests in flight finish, and closes the connections of those that do not.
func (a *App) drain() {
	a.startDrain(ErrStopping)
	ctx, cancel := context.WithTimeout(a.hard, a.o.DrainTimeout)
	defer cancel()
	others := newRunning()
	for _, d := range a.drains {
		others.start(d.name, func() {
			if err := d.run(ctx); err != nil {
				a.log.Warn("drain failed", "name", d.name, "error", err)
			}
		})
	}
	for _, s := range slices.Backward(a.servers) {
		if err := s.shutdown(ctx); err != nil {
			a.log.Warn("requests were cut off", "name", s.name, "error", err)
		}
	}
	if !others.wait(ctx, a.o.DrainTimeout) {
		a.log.Warn("connections were cut off", "names", others.names())
	}
}

func (a *App) runCleanup(c cleanup) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), c.timeout, fmt.Errorf("took longer than %s", c.timeout))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.run(ctx) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		// A clean-up that returns because its context ended deserves to be heard; one that hangs is left behind.
		select {
		case err = <-done:
		case <-time.After(100 * time.Millisecond):
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", c.name, err)
	}
	return nil
}
