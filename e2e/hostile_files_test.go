package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// canary is a server that nobody may visit.
type canary struct {
	*httptest.Server
	mu     sync.Mutex
	visits []string
}

func newCanary(t testing.TB) *canary {
	c := &canary{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.visits = append(c.visits, r.Method+" "+r.URL.String())
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *canary) visited() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.visits)
}

// internals is what a reason for a user never contains: names of programs and files, addresses, error texts of libraries.
var internals = regexp.MustCompile(`(?i)ffmpeg|ffprobe|exit status|signal:|0x[0-9a-f]|/tmp|/in\b|\.go\b|file:|errno|panic|nil pointer|invalid data found|moov`)

// hostileFiles are files that are not what they say, or not whole. Each ends as failed, with a reason for people, and reaches
// nothing else.
func hostileFiles(t *testing.T, e *Env) {
	c := newCanary(t)
	talk, short := e.Fixtures.bytes(t, "talk.mp4"), e.Fixtures.bytes(t, "short.mp4")
	hls := fmt.Sprintf("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n%s/segment.ts\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", c.URL)
	bad := map[string][]byte{
		"truncated.mp4":      talk[:len(talk)/2],
		"header-only.mp4":    talk[:64],
		"one-byte.mp4":       {0},
		"noise.mp4":          pseudoRandom(100_000),
		"zeroes.mkv":         make([]byte, 100_000),
		"text.mp4":           []byte("This is not a video.\n"),
		"page.mp4":           []byte("<!doctype html><html><body><video src=\"" + c.URL + "/v.mp4\"></video></body></html>"),
		"script.mp3":         []byte("#!/bin/sh\ncurl " + c.URL + "\n"),
		"playlist.mp4":       []byte(hls),
		"playlist.m3u8":      []byte(hls),
		"playlist.ts":        []byte("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nconcat:" + c.URL + "/header.txt|file:///etc/passwd\n#EXT-X-ENDLIST\n"),
		"concat.mp4":         []byte("ffconcat version 1.0\nfile '" + e.Fixtures.file(t, "talk.wav") + "'\nfile '" + c.URL + "/other.mp4'\n"),
		"concat-relative.ts": []byte("ffconcat version 1.0\nfile in\nfile ../in\n"),
		"dash.mp4": []byte(`<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>` +
			c.URL + `/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>`),
		"description.sdp": []byte("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"),
		"locked.mp4":      e.Fixtures.bytes(t, "locked.mp4"),
	}
	ada := e.user(t)
	ada.do("POST", "/api/v1/uploads", map[string]any{"name": "empty.mp4", "size": 0}, breaking).refused(http.StatusBadRequest, "")
	jobs := map[string]job{}
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		jobs[name] = ada.caption(ada.upload(name, bad[name]).ID, nil)
	}
	// The name means nothing: what is a video under another name is one.
	disguised := ada.caption(ada.upload("notes.txt", short).ID, nil)
	odd := ada.caption(ada.upload("$(reboot) `id` ; .. 'x' \"y\" é.mp4", short).ID, nil)

	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		j := ada.await(jobs[name].ID)
		require.Equal(t, "failed", j.State, name)
		require.NotNil(t, j.Reason, name)
		require.NotEqual(t, "internal", j.Reason.Code, name)
		require.NotEqual(t, "gave_up", j.Reason.Code, name)
		require.Regexp(t, `^[A-Z].*\.$`, j.Reason.Message, name)
		require.NotRegexp(t, internals, j.Reason.Message, name)
		ada.do("GET", "/api/v1/result/"+j.ID, nil).refused(http.StatusConflict, "not_processed")
	}
	says(t, ada.processed(disguised.ID).Cues, shortWords)
	says(t, ada.processed(odd.ID).Cues, shortWords)
	require.Empty(t, c.visited(), "a file made the server ask for an address")
}

// pseudoRandom returns bytes that look random and are the same each time.
func pseudoRandom(n int) []byte {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}
