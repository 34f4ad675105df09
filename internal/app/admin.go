package app

import (
	"context"
	"maps"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"k8s-scalers/internal/httpapi"
)

// checkTimeout bounds one check of readiness; kubelet's own default is 1 s.
const checkTimeout = 900 * time.Millisecond

type check struct {
	name string
	run  func(context.Context) error
}

// readiness is the body of /readyz.
type readiness struct {
	Ready   bool              `json:"ready"`
	Failing map[string]string `json:"failing,omitempty"` // by the name of the check
}

func (a *App) adminHandler() http.Handler {
	gatherer := a.o.Gatherer
	if gatherer == nil {
		gatherer = prometheus.NewRegistry()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // The prober is gone when this fails.
	})
	mux.Handle("GET /readyz", httpapi.Handler(a.readyz))
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // by which the pprof tool asks for many at once
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func (a *App) readyz(w http.ResponseWriter, r *http.Request) error {
	failing := a.failing(r.Context())
	status := http.StatusOK
	if len(failing) > 0 {
		status = http.StatusServiceUnavailable
	}
	return httpapi.WriteJSON(w, status, readiness{Ready: len(failing) == 0, Failing: failing})
}

// failing runs all checks at once and returns the errors of those that fail, by name.
func (a *App) failing(ctx context.Context) map[string]string {
	failing := map[string]string{}
	if !a.ready.Load() {
		failing["app"] = "is starting or stopping"
		return failing
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var mu sync.Mutex
	open := map[string]string{} // checks without an answer
	done := make(chan struct{}, len(a.checks))
	for _, c := range a.checks {
		open[c.name] = "does not answer"
	}
	for _, c := range a.checks {
		go func() {
			err := c.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			delete(open, c.name)
			if err != nil {
				failing[c.name] = err.Error()
			}
			done <- struct{}{}
		}()
	}
	for range a.checks {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	mu.Lock()
	defer mu.Unlock()
	answer := maps.Clone(failing) // Checks without an answer may still write into the other one.
	maps.Copy(answer, open)
	return answer
}
