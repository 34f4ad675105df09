// Package podcost tells Kubernetes how costly it would be to delete the pod that this process runs in, so that scaling down
// takes idle workers first. It writes one annotation of its own pod by the API server, and knows nothing else of Kubernetes.
package podcost

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Annotation is what ReplicaSets read: of pods that are alike, that of the lowest cost goes first.
const Annotation = "controller.kubernetes.io/pod-deletion-cost"

// costOfTask is what one running task adds to the cost.
const costOfTask = 100

// Config says which pod this is. Zero values are read from the environment, as Kubernetes sets it.
type Config struct {
	Name, Namespace string // POD_NAME and POD_NAMESPACE, by the downward API
	Host, Port      string // KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT
	// Account is the folder of the service account; it has token and ca.crt.
	Account string
	// Every is the least time between two writes; 0 means 10 s. Each is a change in etcd that all who watch pods are told.
	Every  time.Duration
	Logger *slog.Logger
}

// Writer writes the annotation. A nil one does nothing.
type Writer struct {
	url    string
	token  string // a file, which Kubernetes replaces from time to time
	client *http.Client
	every  time.Duration
	log    *slog.Logger

	tasks  atomic.Int64
	change chan struct{}
	failed sync.Once
}

// New returns a writer, or nil outside Kubernetes: where the name of the pod is not given, or there is no service account.
func New(c Config) (*Writer, error) {
	for _, v := range []struct {
		to   *string
		name string
	}{{&c.Name, "POD_NAME"}, {&c.Namespace, "POD_NAMESPACE"}, {&c.Host, "KUBERNETES_SERVICE_HOST"}, {&c.Port, "KUBERNETES_SERVICE_PORT"}} {
		if *v.to == "" {
			*v.to = os.Getenv(v.name)
		}
	}
	if c.Account == "" {
		c.Account = "/var/run/secrets/kubernetes.io/serviceaccount"
	}
	if c.Every == 0 {
		c.Every = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	token := filepath.Join(c.Account, "token")
	if _, err := os.Stat(token); err != nil || c.Name == "" || c.Namespace == "" || c.Host == "" || c.Port == "" {
		return nil, nil //nolint:nilnil,nilerr // No writer is what one has outside Kubernetes.
	}
	ca, err := os.ReadFile(filepath.Join(c.Account, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("certificate of the API server: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("certificate of the API server: ca.crt of the service account has none")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, IdleConnTimeout: time.Minute}
	return &Writer{
		url: "https://" + net.JoinHostPort(c.Host, c.Port) + "/api/v1/namespaces/" + url.PathEscape(c.Namespace) +
			"/pods/" + url.PathEscape(c.Name) + "?fieldManager=caption-worker",
		every: c.Every, token: token, log: c.Logger, change: make(chan struct{}, 1),
		client: &http.Client{Transport: transport, Timeout: 5 * time.Second},
	}, nil
}

// Add tells that so many more tasks run than before; fewer where it is negative. It does not block.
func (w *Writer) Add(tasks int) {
	if w == nil {
		return
	}
	w.tasks.Add(int64(tasks))
	select {
	case w.change <- struct{}{}:
	default: // Run will see it.
	}
}

// Run writes the cost when it has changed, until ctx ends. What goes wrong is logged once and costs nothing but the protection.
func (w *Writer) Run(ctx context.Context) error {
	if w == nil {
		return nil
	}
	defer w.client.CloseIdleConnections()
	written := int64(-1) // unknown: an earlier process in this pod may have left a cost
	for {
		if now := w.tasks.Load(); now != written {
			if err := w.write(ctx, now*costOfTask); err == nil {
				written = now
			} else if ctx.Err() == nil {
				w.failed.Do(func() {
					w.log.WarnContext(ctx, "the pod's deletion cost cannot be set, so scaling down may interrupt busy workers; this is said once", "error", err)
				})
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.every):
		}
		for w.tasks.Load() == written {
			select {
			case <-ctx.Done():
				return nil
			case <-w.change:
			}
		}
	}
}

func (w *Writer) write(ctx context.Context, cost int64) error {
	token, err := os.ReadFile(w.token)
	if err != nil {
		return fmt.Errorf("token of the service account: %w", err)
	}
	body := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"%d"}}}`, Annotation, cost)
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, w.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("set the pod's deletion cost: %w", err)
	}
	req.Header.Set("Content-Type", "application/merge-patch+json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	res, err := w.client.Do(req)
	if err != nil {
		return fmt.Errorf("set the pod's deletion cost: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // It was only read.
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("set the pod's deletion cost: the API server says %s: %.300s", res.Status, answer)
	}
	return nil
}
