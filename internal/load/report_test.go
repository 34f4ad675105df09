package load

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheReportInTables(t *testing.T) {
	lat := &Latency{Mean: 0.00123, P50: 0.001, P90: 0.0234, P95: 0.5, P99: 12.3456, Max: 4000}
	r := Report{
		Requests: []RequestReport{{Request: "GET /a", Done: 10, Failed: 2, Unfinished: 1, AskedRate: 3, Rate: 2.5, Latency: lat,
			Errors: map[string]int{"503 unavailable": 1, "EOF": 1}}},
		Jobs:   &JobReport{Started: 3, Accepted: 2, Failed: 1, Unfinished: 2, AskedRate: 6, Errors: map[string]int{"upload: too_large": 1}},
		Faults: map[string]int{"clean-up: unavailable": 4},
	}
	none := 0.0
	minute := time.Minute
	Thresholds{ErrorRate: &none, JobP95: &minute}.Judge(&r)
	var b strings.Builder
	require.NoError(t, r.Write(&b))
	for _, want := range []string{
		"GET /a    10    2       1           3        2.5     1.23ms  1ms  23.4ms  500ms  12.3s  1h6m40s",
		"3        2         0          1       2           6          0s",
		"accepted → processed  –     –    –    –    –    –",
		"GET /a: 1 × 503 unavailable\nGET /a: 1 × EOF\njobs: 1 × upload: too_large\nbeside the load: 4 × clean-up: unavailable",
		"broken: GET /a: 20 % failed, more than 0 %",
		"broken: jobs: 100 % failed, more than 0 %",
		"broken: jobs: nothing was measured, so that the p95 from accepted to processed is not known",
	} {
		require.Contains(t, b.String(), want)
	}
}

func TestDistributions(t *testing.T) {
	var d times
	require.Nil(t, d.report(), "unknown is not zero")
	for i := 1; i <= 1000; i++ {
		d.add(time.Duration(i) * time.Millisecond)
	}
	l := d.report()
	require.InDelta(t, 0.5005, l.Mean, 1e-9)
	require.InDelta(t, 0.5, l.P50, 0.01)
	require.InDelta(t, 0.99, l.P99, 0.005)
	require.InDelta(t, 1, l.Max, 1e-9)
}

func TestCausesStayFew(t *testing.T) {
	var c counts
	for i := range 1000 {
		c.add(strings.Repeat("x", i))
	}
	require.Len(t, c, maxCauses+1)
	require.Equal(t, 1000-maxCauses, c["other"])
}
