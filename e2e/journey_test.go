package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// journey is the way of a person with a video: from signing up to deleting everything.
func journey(t *testing.T, e *Env) {
	ada := e.user(t)
	up := ada.upload("river walk.avi", e.Fixtures.bytes(t, "big.avi"))
	require.Greater(t, up.PartCount, 1, "the fixture must be larger than a part")

	j := ada.caption(up.ID, map[string]any{"language": "en", "profile": "netflix"}, header("Idempotency-Key", "journey"))
	require.Equal(t, "river walk.avi", j.Title)
	ticket, ctx := ada.ticket(j.ID), within(t)
	ws, sse := follower{contract: e.contract}, follower{contract: e.contract}
	var g errgroup.Group
	g.Go(func() error {
		status, err := ws.byWebSocket(ctx, ada, j.ID, ticket)
		if err == nil && status != websocket.StatusNormalClosure {
			err = fmt.Errorf("the WebSocket was closed with status %d", status)
		}
		return err
	})
	g.Go(func() error {
		ended, err := sse.bySSE(ctx, ada, j.ID)
		if err == nil && !ended {
			err = errors.New("the stream stopped without its end event")
		}
		return err
	})
	require.NoError(t, g.Wait())
	require.Equal(t, "processed", ws.last().State)
	require.Equal(t, "processed", sse.last().State)
	require.InDelta(t, 1, ws.last().Progress, 0)

	tr := ada.processed(j.ID)
	require.Equal(t, 1, tr.Version)
	require.NotEmpty(t, tr.Words)
	says(t, tr.Cues, talkWords)
	for i, w := range tr.Words {
		require.Less(t, w.Start, w.End)
		require.True(t, i == 0 || tr.Words[i-1].End <= w.Start, "words overlap")
	}
	got := ada.do("GET", "/api/v1/captions/"+j.ID+"/transcript", nil, header("If-None-Match", `"1"`)).is(http.StatusNotModified)
	require.Equal(t, `"1"`, got.Header.Get("ETag"))

	files(t, ada, j, tr)
	edits(t, ada, j, tr)
	media(t, ada, up, e.Fixtures.bytes(t, "big.avi"))

	ada.do("DELETE", "/api/v1/captions/"+j.ID, nil).is(http.StatusNoContent)
	ada.do("GET", "/api/v1/captions/"+j.ID, nil).refused(http.StatusNotFound, "job_not_found")
	ada.do("GET", "/api/v1/result/"+j.ID, nil).refused(http.StatusNotFound, "job_not_found")
	require.Empty(t, ada.list(nil).Captions)
	require.Empty(t, ada.list(url.Values{"q": {"narrow"}}).Captions)
	ada.do("DELETE", "/api/v1/uploads/"+up.ID, nil).is(http.StatusNoContent)
	ada.do("GET", "/api/v1/uploads/"+up.ID, nil).refused(http.StatusNotFound, "upload_not_found")
}

// files looks at the captions in every format.
func files(t *testing.T, u *user, j job, tr transcript) {
	vtt := u.do("GET", "/api/v1/result/"+j.ID+"?format=vtt", nil).is(http.StatusOK)
	require.True(t, strings.HasPrefix(string(vtt.Body), "WEBVTT\n\n"), "%s", vtt.Body)
	require.Contains(t, vtt.Header.Get("Content-Type"), "text/vtt")
	require.Contains(t, vtt.Header.Get("Content-Disposition"), `filename="river walk.vtt"`)
	srt := u.do("GET", "/api/v1/result/"+j.ID+"?format=srt", nil).is(http.StatusOK)
	require.Regexp(t, `^1\r?\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\r?\n`, string(srt.Body))
	txt := u.do("GET", "/api/v1/result/"+j.ID+"?format=txt", nil).is(http.StatusOK)
	for _, w := range talkWords {
		require.Contains(t, strings.ToLower(string(vtt.Body)), w)
		require.Contains(t, strings.ToLower(string(srt.Body)), w)
		require.Contains(t, strings.ToLower(string(txt.Body)), w)
	}
	require.NotContains(t, string(txt.Body), "-->")
	var file transcript
	u.do("GET", "/api/v1/result/"+j.ID+"?format=json", nil).is(http.StatusOK).into(&file)
	require.Equal(t, tr.Cues, file.Cues)
	require.Equal(t, tr.Words, file.Words)
	plain := u.do("GET", "/api/v1/result/"+j.ID, nil).is(http.StatusOK)
	require.Contains(t, plain.Header.Get("Content-Type"), "application/json")
	u.do("GET", "/api/v1/result/"+j.ID+"?format=docx", nil, breaking).refused(http.StatusBadRequest, "bad_format")
}

// edits changes the captions, collides with another edit, finds the new words, and goes back.
func edits(t *testing.T, u *user, j job, tr transcript) {
	path := "/api/v1/captions/" + j.ID + "/transcript"
	edited := append([]cue(nil), tr.Cues...)
	edited[0].Text = "A narrow canoe glides <softly>."
	body := map[string]any{"cues": edited}
	u.do("PUT", path, body, breaking).refused(http.StatusPreconditionFailed, "if_match_missing")
	var second transcript
	saved := u.do("PUT", path, body, header("If-Match", `"1"`)).is(http.StatusOK)
	saved.into(&second)
	require.Equal(t, `"2"`, saved.Header.Get("ETag"))
	require.Equal(t, 2, second.Version)
	require.Equal(t, edited, second.Cues)
	require.Equal(t, tr.Cues, second.Original)
	u.do("PUT", path, map[string]any{"cues": tr.Cues}, header("If-Match", `"1"`)).refused(http.StatusPreconditionFailed, "transcript_changed")

	vtt := u.do("GET", "/api/v1/result/"+j.ID+"?format=vtt", nil).is(http.StatusOK)
	require.Contains(t, string(vtt.Body), "A narrow canoe glides &lt;softly&gt;.")
	for query, found := range map[string]bool{"narrow canoe": true, "NARROW can": true, "river walk": true, "zeppelin": false, `"; drop table`: false} {
		l := u.list(url.Values{"q": {query}})
		if !found {
			require.Empty(t, l.Captions, query)
			continue
		}
		require.Len(t, l.Captions, 1, query)
		require.Equal(t, j.ID, l.Captions[0].ID)
	}
	require.Contains(t, u.list(url.Values{"q": {"canoe"}}).Captions[0].Hits[0].Text, "canoe")

	var third transcript
	u.do("PUT", path, map[string]any{"cues": tr.Cues}, header("If-Match", `"2"`)).is(http.StatusOK).into(&third)
	require.Equal(t, 3, third.Version)
	require.Nil(t, third.Original, "an edit that was taken back is none")
	require.Empty(t, u.list(url.Values{"q": {"canoe"}}).Captions)

	overlapping := []cue{{Start: 0, End: 2, Text: "one"}, {Start: 1, End: 3, Text: "two"}}
	u.do("PUT", path, map[string]any{"cues": overlapping}, header("If-Match", `"3"`)).refused(http.StatusBadRequest, "")
}

// media plays the video, as a browser does.
func media(t *testing.T, u *user, up upload, content []byte) {
	var whole upload
	u.do("GET", "/api/v1/uploads/"+up.ID, nil).is(http.StatusOK).into(&whole)
	require.NotEmpty(t, whole.MediaURL)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, whole.MediaURL, nil)
	require.NoError(t, err)
	r.Header.Set("Range", "bytes=1000-1999")
	res, err := u.http.Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }() // It was only read.
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusPartialContent, res.StatusCode, "%.300s", got)
	require.Equal(t, content[1000:2000], got)
}
