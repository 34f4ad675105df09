package podcost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/podcost"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// apiServer stands in for the one of Kubernetes: it takes the one request that we make, and refuses as the real one does.
type apiServer struct {
	costs   chan string
	refused chan struct{}
	token   string
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := func(code int, reason string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		select {
		case s.refused <- struct{}{}:
		default:
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code})
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer "+s.token:
		status(http.StatusUnauthorized, "Unauthorized")
	case r.Method != http.MethodPatch || r.URL.Path != "/api/v1/namespaces/captions/pods/worker-0":
		status(http.StatusNotFound, "NotFound")
	case r.Header.Get("Content-Type") != "application/merge-patch+json":
		status(http.StatusUnsupportedMediaType, "UnsupportedMediaType")
	default:
		var patch struct {
			Metadata struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		}
		body, err := io.ReadAll(r.Body)
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err != nil || d.Decode(&patch) != nil || len(patch.Metadata.Annotations) != 1 {
			status(http.StatusBadRequest, "BadRequest")
			return
		}
		s.costs <- patch.Metadata.Annotations["controller.kubernetes.io/pod-deletion-cost"]
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"Pod","apiVersion":"v1"}`))
	}
}

// pause is between two writes.
const pause = 300 * time.Millisecond

// start runs a writer against an API server that accepts the token.
func start(t *testing.T, accepted string) (w *podcost.Writer, s *apiServer, log *bytes.Buffer, stop func()) {
	t.Helper()
	s = &apiServer{costs: make(chan string, 10), refused: make(chan struct{}, 10), token: accepted}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	account := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(account, "token"), []byte("the-token\n"), 0o600))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(filepath.Join(account, "ca.crt"), ca, 0o600))
	host, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "https://"))
	require.NoError(t, err)
	log = &bytes.Buffer{}
	w, err = podcost.New(podcost.Config{Name: "worker-0", Namespace: "captions", Host: host, Port: port, Account: account, Every: pause,
		Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	require.NotNil(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return w, s, log, stop
}

func TestBusyPodsCostMore(t *testing.T) {
	w, s, _, _ := start(t, "the-token")
	require.Equal(t, "0", <-s.costs, "what an earlier process left is overwritten")
	first := time.Now()
	for _, tasks := range []int{1, 1, -1, 1} {
		w.Add(tasks)
	}
	writes := 1
	for <-s.costs != "200" { // None but the last on all but very slow machines.
		writes++
	}
	require.GreaterOrEqual(t, time.Since(first), time.Duration(writes)*pause*9/10, "writes keep their distance")
	w.Add(-2)
	require.Equal(t, "0", <-s.costs)
}

func TestFailuresAreHarmless(t *testing.T) {
	w, s, log, stop := start(t, "another-token")
	for range 3 {
		<-s.refused
		w.Add(1)
	}
	stop()
	require.Empty(t, s.costs)
	require.Equal(t, 1, strings.Count(log.String(), "WARN"), log)
	require.Contains(t, log.String(), "401 Unauthorized")
	require.NotContains(t, log.String(), "the-token")
}

func TestOffOutsideKubernetes(t *testing.T) {
	t.Setenv("POD_NAME", "")
	t.Setenv("POD_NAMESPACE", "captions")
	w, err := podcost.New(podcost.Config{Host: "127.0.0.1", Port: "1", Account: t.TempDir()})
	require.NoError(t, err)
	require.Nil(t, w)
	w.Add(3)
	require.NoError(t, w.Run(t.Context()))

	w, err = podcost.New(podcost.Config{Name: "worker-0", Host: "127.0.0.1", Port: "1", Account: t.TempDir()})
	require.NoError(t, err)
	require.Nil(t, w, "there is no token")
}
