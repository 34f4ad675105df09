//go:build faults

package e2e

import (
	"context"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/testservers"
)

// server is a server that the programs need, and the proxy through which they reach it.
type server struct {
	kill  func()
	start func(context.Context) error
	proxy *toxiproxy.Proxy
}

// cutOff makes all that goes to and from the server disappear, with the connections open, until mend is called.
func (s *server) cutOff(t testing.TB) (mend func(testing.TB)) {
	for _, stream := range []string{"upstream", "downstream"} {
		_, err := s.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"` + stream + `","type":"timeout","stream":"` + stream + `","attributes":{"timeout":0}}`))
		require.NoError(t, err)
	}
	return func(t testing.TB) {
		for _, stream := range []string{"upstream", "downstream"} {
			require.NoError(t, s.proxy.Toxics.RemoveToxic(t.Context(), stream))
		}
	}
}

// system is the deployment of six programs, two workers among them, with a proxy before each of its servers.
type system struct {
	base     string
	programs map[string]*program
	servers  map[string]*server
	queueURL string
}

// workers are the names of the worker processes, each of which does one task at a time.
var workers = []string{"caption-worker", "caption-worker-2"}

func newSystem(t testing.TB, b *testservers.Backends, engine *countingEngine) *system {
	proxies := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	s := &system{programs: map[string]*program{}, servers: map[string]*server{
		"RabbitMQ": {kill: b.RabbitMQ.Kill, start: b.RabbitMQ.Start}, "Redis": {kill: b.Redis.Kill, start: b.Redis.Start},
		"PostgreSQL": {kill: b.Postgres.Kill, start: b.Postgres.Start}, "MongoDB": {kill: b.MongoDB.Kill, start: b.MongoDB.Start},
		"S3": {kill: b.S3.Kill, start: b.S3.Start},
	}}
	settings := maps.Clone(always)
	own, err := b.Settings(t.Context())
	require.NoError(t, err)
	maps.Copy(settings, own)
	s.queueURL = settings["QUEUE_URL"]
	for name, at := range map[string]struct{ addr, setting string }{
		"RabbitMQ": {b.RabbitMQ.Addr, "QUEUE_URL"}, "Redis": {b.Redis.Addr, "EVENTS_URL"}, "PostgreSQL": {b.Postgres.Addr, "ACCOUNTS_URL"},
		"MongoDB": {b.MongoDB.Addr, "STORE_URL"}, "S3": {b.S3.Addr, "S3_ENDPOINT"},
	} {
		p := toxiproxy.NewProxy(proxies, name, "127.0.0.1:0", at.addr)
		require.NoError(t, p.Start())
		t.Cleanup(p.Stop)
		s.servers[name].proxy = p
		settings[at.setting] = strings.Replace(settings[at.setting], at.addr, p.Listen, 1)
	}
	addrs := map[string]string{}
	for _, name := range sixNames {
		addrs[name] = freeAddr(t)
	}
	s.base = "http://" + addrs["gateway-service"]
	maps.Copy(settings, map[string]string{
		"AUTH_URL": "http://" + addrs["auth-service"], "UPLOAD_URL": "http://" + addrs["upload-service"],
		"CAPTION_URL": "http://" + addrs["caption-service"], "FRONTEND_URL": "http://" + addrs["frontend"],
		"DRAIN_PAUSE": "0s", "WORK_DIR": t.TempDir(),
		"ENGINES": "openai", "OPENAI_URL": engine.url, "WORKERS": "1", "SEGMENT_LENGTH": "10s",
		"VISIBILITY": "4s", "MAX_ATTEMPTS": "4", "MAX_ACTIVE_JOBS": "0", "MAX_OPEN_UPLOADS": "100",
		"REQUESTS_PER_MINUTE": "-1", "ANONYMOUS_REQUESTS_PER_MINUTE": "-1",
	})
	for _, name := range append(sixNames, workers[1]) {
		settings["ADDR"] = addrs[name]
		s.programs[name] = newProgram(t, filepath.Join(run.binaries, strings.TrimSuffix(name, "-2")), settings)
		s.programs[name].start(t)
	}
	for _, p := range s.programs {
		p.awaitReady(t)
	}
	return s
}

// restart stops every program in order and starts it again, one after the other.
func (s *system) restart(t testing.TB) {
	for _, name := range append(sixNames, workers[1]) {
		s.programs[name].signal(t)(t)
		s.programs[name].start(t)
		s.programs[name].awaitReady(t)
	}
}

// awaitAll waits until every program is ready again.
func (s *system) awaitAll(t testing.TB) {
	for _, p := range s.programs {
		p.awaitReady(t)
	}
}
