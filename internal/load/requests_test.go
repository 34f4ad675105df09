package load

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is an HTTP server whose answers a test decides, and a user of it who is signed in.
func server(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	sessions := &client.MemorySessions{}
	require.NoError(t, sessions.Update(func(s2 *client.Session) error {
		*s2 = client.Session{Server: s.URL, AccessToken: "a-token", RefreshToken: "another", Expires: time.Now().Add(time.Hour)}
		return nil
	}))
	c := &client.Client{Base: s.URL, HTTP: HTTPClient(), Sessions: sessions}
	t.Cleanup(c.HTTP.CloseIdleConnections)
	return c
}

func requests(t *testing.T, texts ...string) []Request {
	t.Helper()
	var all []Request
	for _, s := range texts {
		r, err := ParseRequest(s)
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

// A server that answers nobody until many have asked would stop a tool that waits for answers before it asks again.
func TestRequestsDoNotWaitForEachOther(t *testing.T) {
	const enough = 60
	var arrived atomic.Int64
	gate := make(chan struct{})
	u := server(t, func(_ http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) == enough {
			close(gate)
		}
		select {
		case <-gate:
		case <-r.Context().Done():
		}
	})
	r, err := Run(t.Context(), Plan{Users: []*client.Client{u}, Requests: requests(t, "/"), Timeout: time.Minute,
		RequestCurve: Curve{Shape: Steady, Rate: 100, Duration: time.Second}})
	require.NoError(t, err)
	require.Len(t, r.Requests, 1)
	q := r.Requests[0]
	require.Equal(t, 100, q.Done)
	require.Zero(t, q.Failed, q.Errors)
	require.Equal(t, map[int]int{200: 100}, q.Statuses)
	require.InDelta(t, 100, q.AskedRate, 1e-6)
	// The first one was due at once and waited until the last of those 60 had come, which was due at 0.59 s.
	require.GreaterOrEqual(t, q.Latency.Max, 0.58)
	require.Less(t, q.Latency.P50, q.Latency.Max)
}

func TestWhatIsSentAndWhatFails(t *testing.T) {
	u := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil || r.Header.Get("Authorization") != "Bearer a-token":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/limited":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"status":429,"code":"rate_limited","detail":"Too often."}`))
		case r.URL.Path == "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Path == "/cut":
			panic(http.ErrAbortHandler)
		case r.URL.Path == "/slow":
			<-r.Context().Done()
		case r.Method == http.MethodPut && (string(body) != `{"a": [1, 2]}` || r.Header.Get("Content-Type") != "application/json"):
			w.WriteHeader(http.StatusBadRequest)
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/limited", http.StatusFound)
		}
	})
	plan := Plan{Users: []*client.Client{u}, Timeout: 300 * time.Millisecond, RequestCurve: Curve{Shape: Steady, Rate: 70, Duration: time.Second},
		Requests: requests(t, "GET /fine?x=1", `PUT /fine  {"a": [1, 2]}`, "/limited", "DELETE /broken", "/cut", "/slow", "/moved")}
	r, err := Run(t.Context(), plan)
	require.NoError(t, err)
	got := map[string]map[string]int{}
	for _, q := range r.Requests {
		require.Equal(t, 10, q.Done, q.Request)
		require.InDelta(t, 10, q.AskedRate, 1e-6)
		require.NotNil(t, q.Latency)
		got[q.Request] = q.Errors
		failed := 0
		for _, n := range q.Errors {
			failed += n
		}
		require.Equal(t, q.Failed, failed)
	}
	require.Equal(t, map[string]map[string]int{
		"GET /fine?x=1":  {},
		"PUT /fine":      {},
		"GET /limited":   {"429 rate_limited": 10},
		"DELETE /broken": {"500 Internal Server Error": 10},
		"GET /cut":       {"EOF": 10},
		"GET /slow":      {"no answer in time": 10},
		"GET /moved":     {},
	}, got)
	require.False(t, r.Interrupted)

	limit, fast, slow := 0.5, time.Nanosecond, time.Hour
	Thresholds{ErrorRate: &limit, P99: &slow}.Judge(&r)
	require.Len(t, r.Broken, 4, r.Broken)
	require.Contains(t, r.Broken[0], "GET /limited: 100 % failed, more than 50 %")
	r.Broken = nil
	Thresholds{P99: &fast}.Judge(&r)
	require.Len(t, r.Broken, 7)
	r.Broken = nil
	Thresholds{JobP95: &fast}.Judge(&r)
	require.Empty(t, r.Broken, "there were no jobs")
}

func TestAnInterruptedLoadTellsWhatItHas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var arrived atomic.Int64
	u := server(t, func(_ http.ResponseWriter, r *http.Request) {
		if n := arrived.Add(1); n > 5 {
			cancel()
			<-r.Context().Done()
		}
	})
	shown := 0
	r, err := Run(ctx, Plan{Users: []*client.Client{u}, Requests: requests(t, "/"), Timeout: time.Hour,
		RequestCurve: Curve{Shape: Steady, Rate: 50, Duration: time.Hour}, Progress: func(Report) { shown++ }})
	require.NoError(t, err)
	require.True(t, r.Interrupted)
	require.Equal(t, 5, r.Requests[0].Done)
	require.Zero(t, r.Requests[0].Failed, "what was given up has not failed")
	require.Positive(t, r.Requests[0].Unfinished)
	require.Positive(t, shown)
}

// The rate is far lower than one a second, and the load ends at once all the same.
func TestASlowRateIsInterruptedAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	u := server(t, func(http.ResponseWriter, *http.Request) { cancel() })
	r, err := Run(ctx, Plan{Users: []*client.Client{u}, Requests: requests(t, "/"),
		RequestCurve: Curve{Shape: Steady, Rate: 0.001, Duration: 24 * time.Hour}})
	require.NoError(t, err)
	require.True(t, r.Interrupted)
	require.Equal(t, 1, r.Requests[0].Done)
}

func TestAUserWhoIsNotSignedIn(t *testing.T) {
	c := &client.Client{Base: "http://localhost", Sessions: &client.MemorySessions{}}
	_, err := Run(t.Context(), Plan{Users: []*client.Client{c}, Requests: requests(t, "/"),
		RequestCurve: Curve{Shape: Steady, Rate: 1, Duration: time.Second}})
	require.ErrorContains(t, err, "captions login")
}

func TestParseRequest(t *testing.T) {
	for text, want := range map[string]Request{
		"/":                        {Method: "GET", Path: "/"},
		" GET /a/b?c=d ":           {Method: "GET", Path: "/a/b?c=d"},
		`POST /x { "y" : "z z" }`:  {Method: "POST", Path: "/x", Body: []byte(`{ "y" : "z z" }`)},
		`DELETE /api/v1/captions/`: {Method: "DELETE", Path: "/api/v1/captions/"},
	} {
		got, err := ParseRequest(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for text, want := range map[string]string{
		"":                        "is not a request",
		"GET":                     "is not a request",
		"GET api":                 "is not a request",
		"GET http://evil.example": "is not a request",
		"get /":                   "in capitals",
		"POST /x {oops}":          "is not JSON",
	} {
		_, err := ParseRequest(text)
		require.ErrorContains(t, err, want, text)
	}
}
