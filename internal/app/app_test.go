package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/app"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trace remembers what happened, in order.
type trace struct {
	mu    sync.Mutex
	steps []string
}

func (t *trace) add(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, s)
}

func (t *trace) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.steps...)
}

func (t *trace) closing(name string) func(context.Context) error {
	return func(context.Context) error { t.add("close " + name); return nil }
}

func newApp(t *testing.T, o app.Options) *app.App {
	t.Helper()
	o.Name = "test"
	a, err := app.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

// run runs a until stop is called, which returns what Run returned.
func run(t *testing.T, a *app.App) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func client(t *testing.T) *http.Client {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func get(t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	status, body, err := fetch(t.Context(), c, url)
	require.NoError(t, err)
	return status, body
}

func fetch(ctx context.Context, c *http.Client, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// fetchBody is fetch for goroutines: an error becomes the body.
func fetchBody(ctx context.Context, c *http.Client, url string) string {
	_, body, err := fetch(ctx, c, url)
	if err != nil {
		return err.Error()
	}
	return body
}

func TestAdminPort(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "test_gauge", Help: "A gauge."}))
	a := newApp(t, app.Options{AdminAddr: "127.0.0.1:0", Gatherer: reg})
	broken := errors.New("no connection")
	var mu sync.Mutex
	a.Ready("database", func(context.Context) error { mu.Lock(); defer mu.Unlock(); return broken })
	a.Ready("queue", func(context.Context) error { return nil })
	a.Ready("hanging", func(ctx context.Context) error {
		mu.Lock()
		hangs := broken != nil
		mu.Unlock()
		if hangs {
			<-ctx.Done()
		}
		return ctx.Err()
	})
	run(t, a)
	base, c := "http://"+a.AdminAddr().String(), client(t)

	status, body := get(t, c, base+"/healthz")
	require.Equal(t, 200, status)
	require.Equal(t, "ok\n", body)

	status, body = get(t, c, base+"/readyz")
	require.Equal(t, 503, status)
	var r struct {
		Ready   bool
		Failing map[string]string
	}
	require.NoError(t, json.Unmarshal([]byte(body), &r))
	require.False(t, r.Ready)
	require.Equal(t, "no connection", r.Failing["database"])
	require.Contains(t, r.Failing, "hanging")
	require.NotContains(t, r.Failing, "queue")

	mu.Lock()
	broken = nil
	mu.Unlock()
	status, body = get(t, c, base+"/readyz")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"ready": true}`, body)

	status, body = get(t, c, base+"/metrics")
	require.Equal(t, 200, status)
	require.Contains(t, body, "test_gauge 0")

	status, body = get(t, c, base+"/debug/pprof/goroutine?debug=1")
	require.Equal(t, 200, status)
	require.Contains(t, body, "goroutine profile")
}

func TestBindErrorsSayWhatToDo(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)

	a := newApp(t, app.Options{})
	_, err = a.Listen("gateway", l.Addr().String(), http.NotFoundHandler())
	e, ok := errors.AsType[*caption.Error](err)
	require.True(t, ok)
	require.Equal(t, "port "+port+" is in use: stop the other program or choose another with --addr", e.Message)

	_, err = app.New(app.Options{AdminAddr: l.Addr().String(), AdminAddrSetting: "ADMIN_ADDR"})
	require.ErrorContains(t, err, "port "+port+" is in use: stop the other program or choose another with ADMIN_ADDR")

	_, err = a.Listen("gateway", "nonsense", http.NotFoundHandler())
	require.ErrorContains(t, err, `"nonsense" is not an address to listen on`)
	_, err = a.Listen("gateway", "192.0.2.1:0", http.NotFoundHandler())
	require.ErrorContains(t, err, "192.0.2.1:0 is not an address of this machine")
}

// TestOrderOfStopping follows one orderly stop, with a request in flight, a loop and clean-ups.
func TestOrderOfStopping(t *testing.T) {
	var tr trace
	a := newApp(t, app.Options{AdminAddr: "127.0.0.1:0"})
	a.OnClose("first", time.Second, tr.closing("first"))
	a.OnClose("second", time.Second, tr.closing("second"))
	entered, finish := make(chan struct{}), make(chan struct{})
	addr, err := a.Listen("api", "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-httpapi.Drain(r.Context()).Done()
		tr.add("request sees drain")
		<-finish
		tr.add("request ends")
		if r.Context().Err() != nil { // An ordinary request is not cancelled by draining.
			tr.add("request was cancelled")
		}
		_, _ = w.Write([]byte("whole answer"))
	}))
	require.NoError(t, err)
	a.OnDrain("tunnels", func(context.Context) error { tr.add("drain tunnels"); close(finish); return nil })
	a.Go("loop", func(ctx context.Context) error {
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), app.ErrStopping)
		tr.add("loop ends")
		return ctx.Err()
	})
	a.GoLast("leases", func(ctx context.Context) error {
		<-ctx.Done()
		tr.add("leases end")
		return ctx.Err()
	})
	stop := run(t, a)

	c := client(t)
	answer := make(chan string, 1)
	go func() { answer <- fetchBody(t.Context(), c, "http://"+addr.String()) }()
	<-entered
	require.NoError(t, stop())
	require.Equal(t, "whole answer", <-answer)
	got := tr.all()
	require.ElementsMatch(t, []string{"request sees drain", "drain tunnels"}, got[:2])
	require.Equal(t, []string{"request ends", "loop ends", "leases end", "close second", "close first"}, got[2:])

	require.NoError(t, a.Close())
	require.Len(t, tr.all(), 7, "clean-ups run once")
}

func TestReadinessFailsBeforeRequestsDo(t *testing.T) {
	a := newApp(t, app.Options{AdminAddr: "127.0.0.1:0", DrainPause: time.Second})
	addr, err := a.Listen("api", "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("served")) }))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	c := client(t)
	status, _ := get(t, c, "http://"+a.AdminAddr().String()+"/readyz")
	for status != 200 {
		status, _ = get(t, c, "http://"+a.AdminAddr().String()+"/readyz")
	}
	cancel()
	for status == 200 {
		status, _ = get(t, c, "http://"+a.AdminAddr().String()+"/readyz")
	}
	status, body := get(t, c, "http://"+addr.String())
	require.Equal(t, 200, status)
	require.Equal(t, "served", body)
	require.NoError(t, <-done)
}

func TestServersAreDrainedFromTheFront(t *testing.T) {
	a := newApp(t, app.Options{})
	c := client(t)
	back, err := a.Listen("back", "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("from the back")) }))
	require.NoError(t, err)
	entered := make(chan struct{})
	front, err := a.Listen("front", "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-httpapi.Drain(r.Context()).Done()
		_, _ = w.Write([]byte(fetchBody(r.Context(), c, "http://"+back.String())))
	}))
	require.NoError(t, err)
	stop := run(t, a)
	answer := make(chan string, 1)
	go func() { answer <- fetchBody(t.Context(), c, "http://"+front.String()) }()
	<-entered
	require.NoError(t, stop())
	require.Equal(t, "from the back", <-answer)
}

// Whoever keeps a connection stays at one pod for as long as it lives.
func TestOldConnectionsAreReplaced(t *testing.T) {
	for age, addrs := range map[time.Duration]int{time.Nanosecond: 3, time.Hour: 1} {
		a := newApp(t, app.Options{MaxConnAge: age})
		seen := map[string]bool{}
		addr, err := a.Listen("api", "127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen[r.RemoteAddr] = true }))
		require.NoError(t, err)
		stop := run(t, a)
		c := client(t)
		for range 3 {
			status, _ := get(t, c, "http://"+addr.String())
			require.Equal(t, http.StatusOK, status)
		}
		require.NoError(t, stop())
		require.Len(t, seen, addrs, "connections that live for %s", age)
	}
}

func TestAHangingRequestIsCutOff(t *testing.T) {
	a := newApp(t, app.Options{DrainTimeout: 50 * time.Millisecond})
	entered, cut := make(chan struct{}), make(chan error, 1)
	addr, err := a.Listen("api", "127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		cut <- context.Cause(r.Context())
	}))
	require.NoError(t, err)
	stop := run(t, a)
	c := client(t)
	failed := make(chan error, 1)
	go func() {
		_, _, err := fetch(t.Context(), c, "http://"+addr.String())
		failed <- err
	}()
	<-entered
	require.NoError(t, stop())
	require.Error(t, <-cut)
	require.Error(t, <-failed)
}

// A connection that never sent a byte, as browsers open in advance, must not hold up the stop.
func TestUnusedConnectionsAreClosed(t *testing.T) {
	a := newApp(t, app.Options{})
	addr, err := a.Listen("api", "127.0.0.1:0", http.NotFoundHandler())
	require.NoError(t, err)
	stop := run(t, a)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr.String())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	status, _ := get(t, client(t), "http://"+addr.String()) // The server has accepted the one before.
	require.Equal(t, 404, status)
	require.NoError(t, stop())
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestAHangingLoopIsNamed(t *testing.T) {
	a := newApp(t, app.Options{SoftTimeout: 20 * time.Millisecond, HardTimeout: 20 * time.Millisecond})
	release := make(chan struct{})
	var closed trace
	a.OnClose("backend", time.Second, closed.closing("backend"))
	a.GoStages("stubborn", func(soft, hard context.Context) error {
		<-soft.Done()
		<-hard.Done()
		require.ErrorIs(t, context.Cause(hard), app.ErrHardStop)
		<-release
		return nil
	})
	stop := run(t, a)
	require.ErrorContains(t, stop(), "these did not stop in time: [stubborn]")
	require.Equal(t, []string{"close backend"}, closed.all())
	close(release)
}

func TestALoopThatFailsStopsTheApp(t *testing.T) {
	a := newApp(t, app.Options{DrainPause: time.Hour})
	boom := errors.New("disk is gone")
	a.Go("done early", func(context.Context) error { return nil })
	a.Go("other", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	a.Go("worker", func(context.Context) error { return boom })
	err := a.Run(t.Context())
	require.ErrorIs(t, err, boom)
	require.ErrorContains(t, err, "worker: disk is gone")
}

func TestCleanUpsAreBounded(t *testing.T) {
	a, err := app.New(app.Options{})
	require.NoError(t, err)
	release := make(chan struct{})
	var tr trace
	a.OnClose("last", time.Second, tr.closing("last"))
	a.OnClose("hanging", 20*time.Millisecond, func(context.Context) error { <-release; return nil })
	a.OnClose("failing", time.Second, func(context.Context) error { return errors.New("lost") })
	err = a.Close()
	require.ErrorContains(t, err, "close hanging: took longer than 20ms")
	require.ErrorContains(t, err, "close failing: lost")
	require.Equal(t, []string{"close last"}, tr.all())
	close(release)
}

func TestCloseWithoutRunFreesTheAddress(t *testing.T) {
	a, err := app.New(app.Options{})
	require.NoError(t, err)
	addr, err := a.Listen("api", "127.0.0.1:0", http.NotFoundHandler())
	require.NoError(t, err)
	require.NoError(t, a.Close())
	b := newApp(t, app.Options{})
	_, err = b.Listen("api", addr.String(), http.NotFoundHandler())
	require.NoError(t, err)
}

func TestSignals(t *testing.T) {
	a := newApp(t, app.Options{DrainPause: time.Hour, SoftTimeout: time.Hour})
	started := make(chan struct{})
	a.GoStages("slow", func(_, hard context.Context) error { close(started); <-hard.Done(); return context.Cause(hard) })
	ctx, stop := app.Signals(t.Context(), syscall.SIGUSR1)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	<-started
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	require.NoError(t, self.Signal(syscall.SIGUSR1))
	<-ctx.Done()
	require.ErrorIs(t, context.Cause(ctx), app.ErrStopping)
	require.ErrorContains(t, context.Cause(ctx), "user defined signal 1")
	require.Empty(t, done)
	require.NoError(t, self.Signal(syscall.SIGUSR1))
	require.NoError(t, <-done)
}
