package embeddeds3_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/blob/embeddeds3"
	"k8s-scalers/internal/caption"
)

// BenchmarkParts sends parts of 16 MiB by presigned addresses, four at a time: straight to the server's own listener, and by the
// handler behind net/http, as in a deployment in one process.
func BenchmarkParts(b *testing.B) {
	const partSize, parts = 16 << 20, 64
	address := freeAddress(b)
	s := start(b, embeddeds3.Config{Dir: b.TempDir(), Listen: address})
	front := httptest.NewServer(s.Handler())
	b.Cleanup(front.Close)
	part := make([]byte, partSize)
	_, err := rand.Read(part)
	require.NoError(b, err)
	bucket := open(b, s)
	for _, way := range []struct{ name, origin string }{{"straight", "http://" + address}, {"handler", front.URL}} {
		b.Run(way.name, func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, WriteBufferSize: 64 << 10}}
			defer client.CloseIdleConnections()
			b.SetBytes(partSize * parts)
			for b.Loop() {
				b.StopTimer()
				id, err := bucket.CreateMultipart(b.Context(), "k", "")
				require.NoError(b, err)
				urls := make([]string, parts)
				for i := range urls {
					urls[i], err = bucket.PresignPart(b.Context(), caption.PartURL{Key: "k", MultipartID: id, Number: i + 1, Size: partSize, Expires: time.Hour, Origin: way.origin})
					require.NoError(b, err)
				}
				b.StartTimer()
				var g errgroup.Group
				g.SetLimit(4)
				for _, u := range urls {
					g.Go(func() error { return send(client, u, part) })
				}
				require.NoError(b, g.Wait())
				b.StopTimer()
				require.NoError(b, bucket.AbortMultipart(b.Context(), "k", id))
				b.StartTimer()
			}
		})
	}
	_ = blob.DefaultRegion
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
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return &http.ProtocolError{ErrorString: resp.Status + string(text)}
	}
	return nil
}
