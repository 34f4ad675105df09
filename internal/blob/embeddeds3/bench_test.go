package embeddeds3_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/blob/embeddeds3"
	"k8s-scalers/internal/caption"
)

// BenchmarkParts sends 1 GiB in parts of 16 MiB by presigned addresses, four at a time: straight to the server's own listener, and
// by the handler behind net/http, as in a deployment in one process. The ways take turns, because machines have moods.
func BenchmarkParts(b *testing.B) {
	const partSize, parts = 16 << 20, 64
	address := freeAddress(b)
	s := start(b, embeddeds3.Config{Dir: b.TempDir(), Listen: address})
	front := httptest.NewServer(s.Handler())
	b.Cleanup(front.Close)
	part := make([]byte, partSize)
	_, err := rand.Read(part)
	require.NoError(b, err)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, WriteBufferSize: 64 << 10}}
	b.Cleanup(client.CloseIdleConnections)

	upload := func(b *testing.B, origin string) (took, cpu time.Duration) {
		bucket := open(b, s)
		id, err := bucket.CreateMultipart(b.Context(), "k", "")
		require.NoError(b, err)
		urls := make([]string, parts)
		for i := range urls {
			urls[i], err = bucket.PresignPart(b.Context(), caption.PartURL{Key: "k", MultipartID: id, Number: i + 1, Size: partSize, Expires: time.Hour, Origin: origin})
			require.NoError(b, err)
		}
		begin, used := time.Now(), cpuTime(b)
		var g errgroup.Group
		g.SetLimit(4)
		for _, u := range urls {
			g.Go(func() error { return send(client, u, part) })
		}
		require.NoError(b, g.Wait())
		took, cpu = time.Since(begin), cpuTime(b)-used
		require.NoError(b, bucket.AbortMultipart(b.Context(), "k", id))
		return took, cpu
	}
	var straight, handler, straightCPU, handlerCPU time.Duration
	for b.Loop() {
		took, cpu := upload(b, "http://"+address)
		straight, straightCPU = straight+took, straightCPU+cpu
		took, cpu = upload(b, front.URL)
		handler, handlerCPU = handler+took, handlerCPU+cpu
	}
	mib := float64(b.N) * partSize * parts / (1 << 20)
	b.ReportMetric(mib/straight.Seconds(), "straight-MiB/s")
	b.ReportMetric(mib/handler.Seconds(), "handler-MiB/s")
	b.ReportMetric(straight.Seconds()/handler.Seconds(), "ratio")
	b.ReportMetric(straightCPU.Seconds()/mib*1024, "straight-cpu-s/GiB")
	b.ReportMetric(handlerCPU.Seconds()/mib*1024, "handler-cpu-s/GiB")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func send(client *http.Client, url string, part []byte) error {
	req, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(part))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}
