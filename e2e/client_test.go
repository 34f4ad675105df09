package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// user is somebody who uses the deployment. Its methods belong to the goroutine of the test.
type user struct {
	t        testing.TB
	base     string
	http     *http.Client
	addr     string // that it says to come from
	email    string
	password string
	session  session
}

// The answers of the API, as far as the scenarios look at them. That they are complete is the business of the contract.
type (
	session struct {
		User struct {
			ID    string `json:"id"`
			Email string `json:"email"`
		} `json:"user"`
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	upload struct {
		ID        string `json:"id"`
		Name      string `json:"name"`
		Size      int64  `json:"size"`
		State     string `json:"state"`
		PartSize  int64  `json:"part_size"`
		PartCount int    `json:"part_count"`
		Parts     []part `json:"parts"`
		MediaURL  string `json:"media_url"`
	}
	part struct {
		Number int    `json:"number"`
		Size   int64  `json:"size"`
		URL    string `json:"url"`
	}
	job struct {
		ID           string  `json:"id"`
		UploadID     string  `json:"upload_id"`
		Title        string  `json:"title"`
		State        string  `json:"state"`
		Seq          int64   `json:"seq"`
		Progress     float64 `json:"progress"`
		Segments     *int    `json:"segments"`
		SegmentsDone int     `json:"segments_done"`
		Reason       *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"reason"`
		Hits []struct {
			Start float64 `json:"start"`
			Text  string  `json:"text"`
		} `json:"hits"`
	}
	jobList struct {
		Captions   []job   `json:"captions"`
		NextCursor *string `json:"next_cursor"`
	}
	cue struct {
		Start float64 `json:"start"`
		End   float64 `json:"end"`
		Text  string  `json:"text"`
	}
	word struct {
		Text  string  `json:"text"`
		Start float64 `json:"start"`
		End   float64 `json:"end"`
	}
	transcript struct {
		JobID    string `json:"job_id"`
		Version  int    `json:"version"`
		Words    []word `json:"words"`
		Cues     []cue  `json:"cues"`
		Original []cue  `json:"original"`
	}
	problem struct {
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
	}
)

func (j job) ended() bool {
	return j.State == "processed" || j.State == "failed" || j.State == "skipped" || j.State == "cancelled"
}

// response is an answer, read to its end.
type response struct {
	t      testing.TB
	what   string
	Status int
	Header http.Header
	Body   []byte
}

// option changes a request.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func token(tok string) option { return header("Authorization", "Bearer "+tok) }

func anonymous(r *http.Request) { r.Header.Del("Authorization") }

// breaking marks a request that is wrong on purpose.
func breaking(r *http.Request) { *r = *r.WithContext(withRules(r.Context(), hostile)) }

// raw is a body that is sent as it is.
type raw struct {
	contentType string
	body        io.Reader
}

// do makes a request. body may be nil, a raw, or anything that JSON can hold.
func (u *user) do(method, path string, body any, opts ...option) *response {
	u.t.Helper()
	res, err := u.try(method, path, body, opts...)
	require.NoError(u.t, err)
	return res
}

// try is do for requests that may get no answer at all.
func (u *user) try(method, path string, body any, opts ...option) (*response, error) {
	u.t.Helper()
	var in io.Reader
	contentType := ""
	switch b := body.(type) {
	case nil:
	case raw:
		in, contentType = b.body, b.contentType
	default:
		j, err := json.Marshal(b)
		require.NoError(u.t, err)
		in, contentType = bytes.NewReader(j), "application/json"
	}
	r, err := http.NewRequestWithContext(u.t.Context(), method, u.base+path, in)
	require.NoError(u.t, err)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("X-Forwarded-For", u.addr)
	if u.session.AccessToken != "" {
		r.Header.Set("Authorization", "Bearer "+u.session.AccessToken)
	}
	for _, o := range opts {
		o(r)
	}
	res, err := u.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = res.Body.Close() }() // It was only read.
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return &response{t: u.t, what: method + " " + path, Status: res.StatusCode, Header: res.Header, Body: b}, nil
}

// is fails the test unless the answer has the status.
func (r *response) is(status int) *response {
	r.t.Helper()
	require.Equal(r.t, status, r.Status, "%s: %.500s", r.what, r.Body)
	return r
}

// refused fails the test unless the answer is a problem with the status and the code; an empty code is any.
func (r *response) refused(status int, code string) problem {
	r.t.Helper()
	var p problem
	r.is(status).into(&p)
	if code != "" {
		require.Equal(r.t, code, p.Code, "%s: %.500s", r.what, r.Body)
	}
	return p
}

func (r *response) into(v any) {
	r.t.Helper()
	require.NoError(r.t, json.Unmarshal(r.Body, v), "%s: %.500s", r.what, r.Body)
}

// signUp makes the account and keeps the session.
func (u *user) signUp() {
	u.t.Helper()
	u.do("POST", "/api/v1/auth/signup", map[string]any{"email": u.email, "password": u.password}).is(http.StatusCreated).into(&u.session)
}

func (u *user) createUpload(name string, size int64, fingerprint string) upload {
	u.t.Helper()
	body := map[string]any{"name": name, "size": size}
	if fingerprint != "" {
		body["fingerprint"] = fingerprint
	}
	var up upload
	u.do("POST", "/api/v1/uploads", body).is(http.StatusCreated).into(&up)
	return up
}

// sendParts sends the parts with these numbers.
func (u *user) sendParts(up upload, content []byte, numbers ...int) {
	u.t.Helper()
	for _, p := range u.signParts(up.ID, numbers...) {
		off := int64(p.Number-1) * up.PartSize
		status, body := u.put(p.URL, content[off:off+p.Size])
		require.Equal(u.t, http.StatusOK, status, "part %d: %s", p.Number, body)
	}
}

func (u *user) signParts(id string, numbers ...int) []part {
	u.t.Helper()
	var signed struct{ Parts []part }
	u.do("POST", "/api/v1/uploads/"+id+"/parts", map[string]any{"numbers": numbers}).is(http.StatusOK).into(&signed)
	require.Len(u.t, signed.Parts, len(numbers))
	return signed.Parts
}

// put sends bytes to a presigned address. A status of 0 says that the connection was cut, which S3 servers do to those
// whom they refuse before they have sent all.
func (u *user) put(to string, content []byte) (status int, body string) {
	u.t.Helper()
	r, err := http.NewRequestWithContext(u.t.Context(), http.MethodPut, to, bytes.NewReader(content))
	require.NoError(u.t, err)
	res, err := u.http.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }() // It was only read.
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

func allParts(up upload) []int {
	numbers := make([]int, up.PartCount)
	for i := range numbers {
		numbers[i] = i + 1
	}
	return numbers
}

// upload sends a whole file.
func (u *user) upload(name string, content []byte) upload {
	u.t.Helper()
	up := u.createUpload(name, int64(len(content)), "")
	u.sendParts(up, content, allParts(up)...)
	u.do("POST", "/api/v1/uploads/"+up.ID+"/complete", nil).is(http.StatusOK).into(&up)
	require.Equal(u.t, "complete", up.State)
	return up
}

// caption starts a job. options are fields of the request.
func (u *user) caption(uploadID string, fields map[string]any, opts ...option) job {
	u.t.Helper()
	body := map[string]any{"upload_id": uploadID}
	maps.Copy(body, fields)
	var j job
	u.do("POST", "/api/v1/captions", body, opts...).is(http.StatusCreated).into(&j)
	return j
}

func (u *user) job(id string) job {
	u.t.Helper()
	var j job
	u.do("GET", "/api/v1/captions/"+id, nil).is(http.StatusOK).into(&j)
	return j
}

// await waits until the job has ended. Only a job that does not move for minutes fails the test.
func (u *user) await(id string) job {
	u.t.Helper()
	return u.awaitThat(id, job.ended)
}

func (u *user) awaitThat(id string, is func(job) bool) job {
	u.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		j := u.job(id)
		if is(j) {
			return j
		}
		require.True(u.t, time.Now().Before(deadline) && !j.ended(), "the job stands at %+v", j)
		time.Sleep(150 * time.Millisecond)
	}
}

// processed waits for the captions of a job and returns its transcript.
func (u *user) processed(id string) transcript {
	u.t.Helper()
	j := u.await(id)
	require.Equal(u.t, "processed", j.State, "reason: %+v", j.Reason)
	var tr transcript
	u.do("GET", "/api/v1/captions/"+id+"/transcript", nil).is(http.StatusOK).into(&tr)
	return tr
}

func (u *user) list(query url.Values) jobList {
	u.t.Helper()
	var l jobList
	path := "/api/v1/captions"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	u.do("GET", path, nil).is(http.StatusOK).into(&l)
	return l
}

func (u *user) ticket(jobID string) string {
	u.t.Helper()
	var tk struct{ Ticket string }
	u.do("POST", "/api/v1/captions/"+jobID+"/events/ticket", nil).is(http.StatusCreated).into(&tk)
	return tk.Ticket
}

// within bounds what would otherwise hang; it says nothing about how fast something is.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
