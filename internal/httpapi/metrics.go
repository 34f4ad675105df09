package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"k8s-scalers/internal/telemetry"
)

// metrics are rate, errors and duration of one service.
type metrics struct {
	service  string
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, service string) metrics {
	duration := telemetry.Register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "captions_http_request_duration_seconds",
		Help:    "How long requests took, by service, route, method and class of status. Streams count until they end.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"service", "route", "method", "status"}))
	inFlight := telemetry.Register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "captions_http_requests_in_flight",
		Help: "Requests that are being served.",
	}, []string{"service"}))
	// Without a series, the rate of a service to which nobody has come yet would be unknown rather than zero, and an autoscaler
	// that averages over pods takes a pod of which nothing is known for a busy one.
	duration.WithLabelValues(service, unmatched, http.MethodGet, "4xx")
	return metrics{service: service, duration: duration, inFlight: inFlight.WithLabelValues(service)}
}

func (m metrics) observe(route, method string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		method = "other" // Clients invent methods; labels must stay few.
	}
	m.duration.WithLabelValues(m.service, route, method, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
}
