package auth

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcomes of signing in, for the metric.
const (
	signInOK          = "ok"
	signInBad         = "bad_credentials"
	signInRateLimited = "rate_limited"
	signInError       = "error"
)

type metrics struct {
	signIns   *prometheus.CounterVec
	refreshes *prometheus.CounterVec
	hashes    prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "captions_auth_sign_in_total",
			Help: "Attempts to sign in with a password, by outcome."}, []string{"outcome"}),
		refreshes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "captions_auth_refresh_total",
			Help: "Refresh tokens presented, by outcome; reused means that a session was ended because an old token came back."}, []string{"outcome"}),
		hashes: prometheus.NewCounter(prometheus.CounterOpts{Name: "captions_auth_password_hashes_total",
			Help: "Password hashes computed."}),
	}
	for _, o := range []string{signInOK, signInBad, signInRateLimited, signInError} {
		m.signIns.WithLabelValues(o)
	}
	for _, o := range []string{rotated, repeated, reused, invalid} {
		m.refreshes.WithLabelValues(o)
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.signIns, m.refreshes, m.hashes} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("auth metrics: %w", err)
		}
	}
	return m, nil
}
