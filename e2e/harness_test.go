package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The contract must notice what is not as documented; else all scenarios would pass it for nothing.
func TestContractNoticesDeviations(t *testing.T) {
	const job = `{"id":"gq3fwx4vdyo2tbs6rlk7mzeahc","upload_id":"gq3fwx4vdyo2tbs6rlk7mzeahc","title":"t","state":"queued","reason":null,` +
		`"seq":1,"progress":0,"eta_seconds":null,"duration":null,"segments":null,"segments_done":0,"language":"","engine":"","options":{},` +
		`"created_at":"2026-01-31T12:30:00Z","updated_at":"2026-01-31T12:30:00Z","finished_at":null}`
	const problem = `{"type":"about:blank","title":"Not Found","status":404,"detail":"There is no caption job with this id.","code":"job_not_found"}`
	const path = "/api/v1/captions/gq3fwx4vdyo2tbs6rlk7mzeahc"
	for name, c := range map[string]struct {
		method, path, sent string
		anonymous          bool
		status             int
		contentType, got   string
		header             http.Header
		fault              string // empty: as documented
	}{
		"a job":               {got: job},
		"a problem":           {status: 404, contentType: "application/problem+json", got: problem},
		"unknown field":       {got: strings.Replace(job, `"seq"`, `"more":1,"seq"`, 1), fault: "response"},
		"missing field":       {got: strings.Replace(job, `"seq":1,`, "", 1), fault: "response"},
		"null":                {got: strings.Replace(job, `"title":"t"`, `"title":null`, 1), fault: "response"},
		"unknown state":       {got: strings.Replace(job, "queued", "ready", 1), fault: "response"},
		"no time":             {got: strings.Replace(job, "2026-01-31T12:30:00Z", "yesterday", 1), fault: "response"},
		"unknown option":      {got: strings.Replace(job, `"options":{}`, `"options":{"a":1}`, 1), fault: "response"},
		"undocumented status": {status: 418, contentType: "application/problem+json", got: strings.Replace(problem, "404", "418", 1), fault: "418"},
		"status differs":      {status: 404, contentType: "application/problem+json", got: strings.Replace(problem, "404", "400", 1), fault: "status"},
		"plain error":         {status: 404, contentType: "text/plain", got: "404 page not found", fault: "content type"},
		"problem with more":   {status: 404, contentType: "application/problem+json", got: strings.Replace(problem, `"code"`, `"stack":"x","code"`, 1), fault: "problem"},
		"other content type":  {contentType: "text/html", got: "<html>", fault: "response"},
		"no token":            {anonymous: true, got: job, fault: "request"},
		"unknown address":     {path: "/api/v1/nothing", got: job, fault: "request"},
		"unknown method":      {method: "PATCH", got: job, fault: "request"},
		"unknown request field": {method: "POST", path: "/api/v1/captions", sent: `{"upload_id":"x","more":1}`, status: 201, got: job,
			header: http.Header{"Location": {path}}, fault: "request"},
		"missing header": {method: "POST", path: "/api/v1/captions", sent: `{"upload_id":"x"}`, status: 201, got: job, fault: "response"},
		"a new job": {method: "POST", path: "/api/v1/captions", sent: `{"upload_id":"x"}`, status: 201, got: job,
			header: http.Header{"Location": {path}}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.method == "" {
				c.method = http.MethodGet
			}
			if c.path == "" {
				c.path = path
			}
			if c.status == 0 {
				c.status = http.StatusOK
			}
			if c.contentType == "" {
				c.contentType = "application/json"
			}
			r, err := http.NewRequestWithContext(t.Context(), c.method, "http://localhost"+c.path, strings.NewReader(c.sent))
			require.NoError(t, err)
			if c.sent != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			if !c.anonymous {
				r.Header.Set("Authorization", "Bearer x.y.z")
			}
			h := c.header.Clone()
			if h == nil {
				h = http.Header{}
			}
			h.Set("Content-Type", c.contentType)
			h.Set("X-Request-Id", "id")
			res := &http.Response{StatusCode: c.status, Header: h, Body: io.NopCloser(strings.NewReader(c.got))}
			err = run.contract.check(strict, r, []byte(c.sent), res, []byte(c.got), false)
			if c.fault == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.fault)
		})
	}
	message := `{"type":"snapshot","job":` + job + `,"segments":[]}`
	require.NoError(t, run.contract.checkMessage([]byte(message)))
	require.Error(t, run.contract.checkMessage([]byte(strings.Replace(message, "snapshot", "news", 1))))
	require.Error(t, run.contract.checkMessage([]byte(strings.Replace(message, `"segments":[]`, `"segments":null`, 1))))
	require.Error(t, run.contract.checkMessage([]byte(strings.Replace(message, `"seq":1`, `"seq":1,"more":1`, 1))))
}

// A stream that repeats a segment, goes back, or leaves one out must be noticed.
func TestFollowerNoticesGaps(t *testing.T) {
	message := func(kind string, seq, done string, segments string) string {
		return `{"type":"` + kind + `","job":{"id":"gq3fwx4vdyo2tbs6rlk7mzeahc","upload_id":"gq3fwx4vdyo2tbs6rlk7mzeahc","title":"t","state":"transcribing","reason":null,` +
			`"seq":` + seq + `,"progress":0.5,"eta_seconds":3,"duration":60,"segments":4,"segments_done":` + done + `,"language":"en","engine":"e","options":{},` +
			`"created_at":"2026-01-31T12:30:00Z","updated_at":"2026-01-31T12:30:00Z","finished_at":null},"segments":[` + segments + `]}`
	}
	const zero, one = `{"index":0,"start":0,"end":1,"cues":[]}`, `{"index":1,"start":1,"end":2,"cues":[]}`
	for name, c := range map[string]struct {
		messages []string
		fault    string
	}{
		"in order":           {[]string{message("snapshot", "3", "1", zero), message("update", "4", "2", one)}, ""},
		"no snapshot":        {[]string{message("update", "3", "0", "")}, "type"},
		"two snapshots":      {[]string{message("snapshot", "3", "0", ""), message("snapshot", "4", "0", "")}, "type"},
		"the same seq":       {[]string{message("snapshot", "3", "0", ""), message("update", "3", "0", "")}, "seq"},
		"back":               {[]string{message("snapshot", "3", "0", ""), message("update", "2", "0", "")}, "seq"},
		"twice":              {[]string{message("snapshot", "3", "1", zero), message("update", "4", "1", zero)}, "twice"},
		"missing":            {[]string{message("snapshot", "3", "1", "")}, "1 segments are done"},
		"missing after some": {[]string{message("snapshot", "3", "1", zero), message("update", "5", "3", one)}, "3 segments are done"},
	} {
		f := follower{contract: run.contract}
		var err error
		for _, m := range c.messages {
			if err = f.add([]byte(m)); err != nil {
				break
			}
		}
		if c.fault == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.fault, name)
		}
	}
}

func TestRedoneCountsRepeatedTasks(t *testing.T) {
	require.Equal(t, 3, redone([]TaskRecord{
		{JobID: "a", Kind: "prepare", Attempt: 1}, {JobID: "a", Kind: "transcribe", Attempt: 1}, {JobID: "a", Kind: "transcribe", Attempt: 3},
		{JobID: "a", Kind: "transcribe", Segment: 1, Attempt: 1}, {JobID: "b", Kind: "prepare", Attempt: 2},
	}))
}
