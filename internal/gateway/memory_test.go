package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/gateway"
)

// childEnv makes the test program a gateway in a process of its own, so that nothing but the gateway is measured.
const childEnv = "GATEWAY_TEST_CHILD"

// usage is the memory of the child.
type usage struct {
	HeapAndStacks uint64 // in use
	Resident      uint64
	Goroutines    int
}

func serveChild(target string) {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	g, err := gateway.New(gateway.Deps{Verifier: verifier{}, Routes: streamRoutes(u), StreamsPerAddress: 1 << 20})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", g.Handler())
	mux.HandleFunc("/usage", func(w http.ResponseWriter, _ *http.Request) {
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		_ = json.NewEncoder(w).Encode(usage{m.HeapInuse + m.StackInuse, resident(), runtime.NumGoroutine()})
	})
	s := httptest.NewServer(mux)
	fmt.Println(s.URL)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
}

func resident() uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages uint64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// BenchmarkIdleWebSockets measures what an open WebSocket costs the gateway.
func BenchmarkIdleWebSockets(b *testing.B) {
	const n = 2000
	raw := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"+strings.Repeat("s", 5000))
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}))
	defer raw.Close()
	child := exec.CommandContext(b.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+raw.URL)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	require.NoError(b, err)
	out, err := child.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, child.Start())
	defer func() { require.NoError(b, child.Wait()) }()
	defer func() { require.NoError(b, in.Close()) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	base := strings.TrimSpace(line)

	measure := func() (u usage) {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, base+"/usage", nil)
		require.NoError(b, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(b, err)
		defer func() { require.NoError(b, resp.Body.Close()) }()
		require.NoError(b, json.NewDecoder(resp.Body).Decode(&u))
		return u
	}
	for b.Loop() {
		before := measure()
		conns := make([]net.Conn, 0, n)
		for range n {
			c, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", strings.TrimPrefix(base, "http://"))
			require.NoError(b, err)
			conns = append(conns, c)
			_, err = io.WriteString(c, "GET /api/v1/captions/abc/events?ticket=t HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\nAccept-Language: en\r\n\r\n")
			require.NoError(b, err)
			br := bufio.NewReader(c)
			resp, err := http.ReadResponse(br, nil)
			require.NoError(b, err)
			require.NoError(b, resp.Body.Close())
			require.Equal(b, 101, resp.StatusCode)
			_, err = br.Discard(5000)
			require.NoError(b, err)
		}
		after := measure()
		b.ReportMetric(float64(after.HeapAndStacks-before.HeapAndStacks)/n, "B/websocket")
		b.ReportMetric(float64(after.Resident-before.Resident)/n, "residentB/websocket")
		b.ReportMetric(float64(after.Goroutines-before.Goroutines)/n, "goroutines/websocket")
		for _, c := range conns {
			require.NoError(b, c.Close())
		}
	}
}
