// Package metricsapi serves the three metrics APIs of Kubernetes, metrics.k8s.io, custom.metrics.k8s.io and
// external.metrics.k8s.io, behind the aggregation layer of a control plane. It stands in for metrics-server and
// prometheus-adapter, which need nodes and applications to measure: the figures come from a [Source]. It speaks the
// published types of k8s.io/metrics, lets nobody in but the API server, and says not found for what it has no figure for.
package metricsapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"k8s-scalers/windtunnel/internal/controlplane"
)

// Source knows the figures. What is absent in its answers has no figure, which is not the same as zero. Its methods are
// called by several goroutines at a time.
type Source interface {
	// Usage is what the containers of pods use, by the names of pods and containers.
	Usage(namespace string, pods []corev1.Pod) map[string]map[string]corev1.ResourceList
	// PodMetric is a figure of each pod, by name.
	PodMetric(namespace, metric string, pods []corev1.Pod) map[string]resource.Quantity
	// ObjectMetric is a figure of one object; kind is a plural with its group: "services", "deployments.apps".
	ObjectMetric(namespace, kind, name, metric string) (resource.Quantity, bool)
	// ExternalMetric is a figure of something outside.
	ExternalMetric(namespace, metric string) (resource.Quantity, bool)
}

// namespace is where the services that the APIs are registered with live.
const namespace = "kube-system"

// Start serves the APIs until the returned function is called.
func Start(ctx context.Context, cp *controlplane.ControlPlane, source Source) (stop func() error, err error) {
	const name = "metrics"
	cert, key, _, err := cp.ServingCertificate(name, name+"."+namespace+".svc")
	if err != nil {
		return nil, err
	}
	config, err := tlsConfig(cert, key, cp.FrontProxyCA())
	if err != nil {
		return nil, fmt.Errorf("certificates of the metrics APIs: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the metrics APIs: %w", err)
	}
	server := &http.Server{
		Handler: newHandler(cp.Kube, source), TLSConfig: config, ReadHeaderTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // of connections that ended
	}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(l, "", "") }()
	stop = func() error {
		err := server.Close()
		if served := <-served; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
	apis := []controlplane.API{{Group: "metrics.k8s.io", Version: "v1beta1"}, {Group: "custom.metrics.k8s.io", Version: "v1beta2"}, {Group: "external.metrics.k8s.io", Version: "v1beta1"}}
	if err := cp.RegisterAPIs(ctx, namespace, name, l.Addr().(*net.TCPAddr).Port, apis...); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}

// tlsConfig lets in who has a certificate of the API server as a proxy.
func tlsConfig(cert, key, clients string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(clients)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", clients)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}, nil
}

// handler answers the requests.
type handler struct {
	kube   kubernetes.Interface
	source Source
}

func newHandler(kube kubernetes.Interface, source Source) http.Handler {
	h := handler{kube, source}
	mux := http.NewServeMux()
	for path, resources := range map[string][]metav1.APIResource{
		"metrics.k8s.io/v1beta1": {
			{Name: "pods", SingularName: "pod", Namespaced: true, Kind: "PodMetrics", Verbs: metav1.Verbs{"get", "list"}},
		},
		"custom.metrics.k8s.io/v1beta2": {
			{Name: "pods/*", Namespaced: true, Kind: "MetricValueList", Verbs: metav1.Verbs{"get"}},
			{Name: "services/*", Namespaced: true, Kind: "MetricValueList", Verbs: metav1.Verbs{"get"}},
		},
		"external.metrics.k8s.io/v1beta1": {
			{Name: "*", Namespaced: true, Kind: "ExternalMetricValueList", Verbs: metav1.Verbs{"get"}},
		},
	} {
		mux.HandleFunc("GET /apis/"+path, func(w http.ResponseWriter, _ *http.Request) {
			reply(w, metav1.APIResourceList{
				TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: path, APIResources: resources,
			})
		})
	}
	mux.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/pods", h.usage)
	mux.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods", h.usage)
	const custom = "GET /apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}/"
	mux.HandleFunc(custom+"pods/*/{metric}", h.podMetric)
	mux.HandleFunc(custom+"{kind}/{name}/{metric}", h.objectMetric)
	mux.HandleFunc("GET /apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}", h.externalMetric)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { missing(w, r.URL.Path) })
	return mux
}

// pods are those that a request selects and that run, which is what metrics-server has figures of.
func (h handler) pods(r *http.Request) ([]corev1.Pod, error) {
	list, err := h.kube.CoreV1().Pods(r.PathValue("namespace")).List(r.Context(), metav1.ListOptions{
		LabelSelector: r.URL.Query().Get("labelSelector"), FieldSelector: "status.phase=Running",
	})
	if err != nil {
		return nil, fmt.Errorf("pods to measure: %w", err)
	}
	return list.Items, nil
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // The client may have gone.
}

// missing answers as an API server does for what is not there.
func missing(w http.ResponseWriter, what string) {
	fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, what+" has no figure")
}

func fail(w http.ResponseWriter, code int32, reason metav1.StatusReason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(code))
	_ = json.NewEncoder(w).Encode(metav1.Status{ // The client may have gone.
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	})
}
