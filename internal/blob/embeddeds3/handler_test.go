package embeddeds3_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/blob"
	"k8s-scalers/internal/blob/embeddeds3"
	"k8s-scalers/internal/caption"
)

// front is the server behind an HTTP server of ours, with an object.
func front(t *testing.T) (*blob.Bucket, *httptest.Server) {
	b, f, _ := frontStop(t)
	return b, f
}

func frontStop(t *testing.T) (*blob.Bucket, *httptest.Server, func()) {
	s, stop := startStop(t, embeddeds3.Config{Dir: t.TempDir()})
	f := httptest.NewServer(s.Handler())
	t.Cleanup(f.Close)
	return open(t, s), f, stop
}

func mediaURL(t *testing.T, b *blob.Bucket, origin, key string) string {
	u, err := b.PresignGet(t.Context(), caption.MediaURL{Key: key, Expires: time.Minute, Origin: origin, ContentType: "video/mp4", FileName: "mein Film ☃.mp4"})
	require.NoError(t, err)
	return u
}

// answer is a response without its body, which has been read.
type answer struct {
	StatusCode    int
	Header        http.Header
	ContentLength int64
}

func do(t *testing.T, method, url string, header http.Header) (answer, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	if header != nil {
		req.Header = header
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return answer{resp.StatusCode, resp.Header, resp.ContentLength}, string(body)
}

func TestHandlerServesObjects(t *testing.T) {
	b, f := front(t)
	long := strings.Repeat("0123456789", 1<<18)
	put(t, b, "v", long)
	put(t, b, "empty", "")
	put(t, b, "odd/na me+ü%&=?#", "odd")
	u := mediaURL(t, b, f.URL, "v")

	resp, body := do(t, http.MethodGet, u, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, long, body)
	require.EqualValues(t, len(long), resp.ContentLength)
	require.Equal(t, "video/mp4", resp.Header.Get("Content-Type"))
	require.Equal(t, "bytes", resp.Header.Get("Accept-Ranges"))
	require.Contains(t, resp.Header.Get("Content-Disposition"), "inline")
	require.Len(t, resp.Header.Values("Date"), 1)

	resp, body = do(t, http.MethodGet, u, http.Header{"Range": {"bytes=10-19"}})
	require.Equal(t, http.StatusPartialContent, resp.StatusCode)
	require.Equal(t, "0123456789", body)
	require.Equal(t, "bytes 10-19/2621440", resp.Header.Get("Content-Range"))

	resp, _ = do(t, http.MethodGet, u, http.Header{"Range": {"bytes=2621440-"}})
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, resp.StatusCode)

	resp, body = do(t, http.MethodGet, u, http.Header{"If-None-Match": {resp.Header.Get("ETag")}})
	require.Contains(t, []int{http.StatusOK, http.StatusNotModified}, resp.StatusCode)
	require.Contains(t, []string{"", long}, body)

	resp, body = do(t, http.MethodGet, mediaURL(t, b, f.URL, "empty"), nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Empty(t, body)

	_, body = do(t, http.MethodGet, mediaURL(t, b, f.URL, "odd/na me+ü%&=?#"), nil)
	require.Equal(t, "odd", body)

	resp, body = do(t, http.MethodGet, mediaURL(t, b, f.URL, "nothing"), nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.Contains(t, body, "<Code>NoSuchKey</Code>")
}

func TestHandlerServesPagesOfOtherOrigins(t *testing.T) {
	b, f := front(t)
	id, err := b.CreateMultipart(t.Context(), "v", "")
	require.NoError(t, err)
	u, err := b.PresignPart(t.Context(), caption.PartURL{Key: "v", MultipartID: id, Number: 1, Size: 4, Expires: time.Minute, Origin: f.URL})
	require.NoError(t, err)
	resp, _ := do(t, http.MethodOptions, u, http.Header{"Origin": {"https://page.example"}, "Access-Control-Request-Method": {"PUT"}})
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, []string{"*", "https://page.example"}, resp.Header.Get("Access-Control-Allow-Origin"))

	req, err := http.NewRequest(http.MethodPut, u, strings.NewReader("part"))
	require.NoError(t, err)
	req.Header.Set("Origin", "https://page.example")
	sent, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, sent.Body.Close())
	require.Equal(t, http.StatusOK, sent.StatusCode)
	require.NotEmpty(t, sent.Header.Get("ETag"))
	require.Contains(t, sent.Header.Get("Access-Control-Expose-Headers"), "ETag")
}

// A client of the SDK behind the handler: headers, signatures of bodies, lists and deletions all pass.
func TestHandlerServesTheSDK(t *testing.T) {
	s := start(t, embeddeds3.Config{Dir: t.TempDir()})
	f := httptest.NewServer(s.Handler())
	t.Cleanup(f.Close)
	b, err := blob.Open(t.Context(), blob.Config{Bucket: "media", Endpoint: f.URL, PathStyle: true, AccessKey: s.AccessKey(), SecretKey: s.SecretKey()})
	require.NoError(t, err)
	require.NoError(t, b.Ensure(t.Context(), "*"))
	put(t, b, "jobs/1/a", "content")
	put(t, b, "jobs/1/b", "")
	o, err := b.Head(t.Context(), "jobs/1/a")
	require.NoError(t, err)
	require.EqualValues(t, 7, o.Size)
	require.Equal(t, "text/plain", o.ContentType)
	require.Equal(t, "content", content(t, b, "jobs/1/a"))
	require.NoError(t, b.DeletePrefix(t.Context(), "jobs/"))
	_, err = b.Head(t.Context(), "jobs/1/a")
	require.Equal(t, caption.KindNotFound, caption.KindOf(err))
}

// rawPut sends a request as it stands, so that it can be wrong.
func rawPut(t *testing.T, u, headers, body string, closeEarly bool) string {
	t.Helper()
	to, err := url.Parse(u)
	require.NoError(t, err)
	c, err := net.Dial("tcp", to.Host)
	require.NoError(t, err)
	_, _ = io.WriteString(c, "PUT "+to.RequestURI()+" HTTP/1.1\r\nHost: "+to.Host+"\r\nConnection: close\r\n"+headers+"\r\n"+body) // The server may refuse before it has read all.
	if closeEarly {
		require.NoError(t, c.Close())
		return ""
	}
	answer, _ := io.ReadAll(c) // It may reset the connection after its answer.
	require.NoError(t, c.Close())
	return string(answer)
}

func TestHandlerAndBrokenRequests(t *testing.T) {
	b, f := front(t)
	id, err := b.CreateMultipart(t.Context(), "v", "")
	require.NoError(t, err)
	sign := func(number int) string {
		u, err := b.PresignPart(t.Context(), caption.PartURL{Key: "v", MultipartID: id, Number: number, Size: 10, Expires: time.Minute, Origin: f.URL})
		require.NoError(t, err)
		return u
	}
	require.Contains(t, rawPut(t, sign(1), "Content-Length: 10\r\n", "0123456789", false), "HTTP/1.1 200")
	require.Contains(t, rawPut(t, sign(2), "Transfer-Encoding: chunked\r\n", "a\r\n0123456789\r\n0\r\n\r\n", false), "HTTP/1.1 4")
	require.Contains(t, rawPut(t, sign(3), "Content-Length: 11\r\n", "0123456789x", false), "HTTP/1.1 403")
	require.Contains(t, rawPut(t, sign(4), "", "", false), "HTTP/1.1 4")
	rawPut(t, sign(5), "Content-Length: 10\r\n", "01234", true)
	// The parts that were refused or broke off are not there; nor does anything hang.
	require.Contains(t, rawPut(t, sign(6), "Content-Length: 10\r\n", "0123456789", false), "HTTP/1.1 200")
	parts, err := b.ListParts(t.Context(), "v", id)
	require.NoError(t, err)
	require.Len(t, parts, 2)
	require.Equal(t, 1, parts[0].Number)
	require.Equal(t, 6, parts[1].Number)
}

// Requests that are under way when the server stops are finished.
func TestHandlerDrains(t *testing.T) {
	b, f, stop := frontStop(t)
	id, err := b.CreateMultipart(t.Context(), "v", "")
	require.NoError(t, err)
	u, err := b.PresignPart(t.Context(), caption.PartURL{Key: "v", MultipartID: id, Number: 1, Size: 10, Expires: time.Minute, Origin: f.URL})
	require.NoError(t, err)
	body, w := io.Pipe()
	status := make(chan string, 1)
	reading := make(chan struct{})
	go func() {
		req, err := http.NewRequest(http.MethodPut, u, io.MultiReader(&signal{reading}, body))
		if err != nil {
			status <- err.Error()
			return
		}
		req.ContentLength = 10
		req.Header.Set("Expect", "100-continue") // The body is read only once the server wants it.
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
		defer client.CloseIdleConnections()
		resp, err := client.Do(req)
		if err != nil {
			status <- err.Error()
			return
		}
		_ = resp.Body.Close() // Nothing in it is needed.
		status <- resp.Status
	}()
	<-reading
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	require.Eventually(t, func() bool {
		resp, _ := do(t, http.MethodGet, f.URL+"/media/k", nil)
		return resp.StatusCode == http.StatusServiceUnavailable
	}, 10*time.Second, 5*time.Millisecond)
	_, err = w.Write([]byte("0123456789"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Equal(t, "200 OK", <-status)
	<-stopped
}

// signal is an empty reader that tells when it is read.
type signal struct{ read chan struct{} }

func (s *signal) Read([]byte) (int, error) { close(s.read); return 0, io.EOF }
