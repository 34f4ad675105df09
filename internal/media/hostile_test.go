package media_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media"
)

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

func requireCode(t *testing.T, code string, err error) {
	t.Helper()
	e, ok := errors.AsType[*caption.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, caption.KindInvalid, e.Kind, "%v", err)
	require.Equal(t, code, e.Code, "%v", err)
	require.NotContains(t, e.Message, "ffmpeg")
	require.True(t, strings.HasSuffix(e.Message, "."), e.Message)
}

func TestBadFiles(t *testing.T) {
	mp4 := clip(t, "-c:v", "libx264", "-c:a", "aac", "moov-at-the-end.mp4")
	fast := ffmpeg(t, "-i", mp4, "-c", "copy", "-movflags", "+faststart", "fast.mp4")
	mkv := ffmpeg(t, "-i", mp4, "-c", "copy", "x.mkv")
	flac := ffmpeg(t, append(lavfi(tone), "x.flac")...)
	noise := make([]byte, 10000)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	for name, c := range map[string]struct{ path, code string }{
		"empty":                {write(t, "x.mp4", nil), media.EmptyFile},
		"text":                 {write(t, "x.mp4", []byte("Dear customer, here is the video.")), media.NotMedia},
		"one byte":             {write(t, "x.mp4", []byte{0}), media.NotMedia},
		"junk":                 {write(t, "x.mkv", noise), media.NotMedia},
		"picture":              {ffmpeg(t, append(lavfi(picture), "-frames:v", "1", "x.png")...), media.NotMedia},
		"folder":               {t.TempDir(), media.NotMedia},
		"cut, contents lost":   {half(t, mp4), media.Truncated},
		"cut after the header": {half(t, fast), media.Truncated},
		"cut mkv":              {half(t, mkv), media.Truncated},
		"cut flac":             {half(t, flac), media.Truncated},
		"no audio":             {ffmpeg(t, append(lavfi(picture), "-c:v", "libx264", "x.mp4")...), media.NoAudio},
		"encrypted": {clip(t, "-c:v", "libx264", "-c:a", "aac", "-encryption_scheme", "cenc-aes-ctr",
			"-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8", "x.mp4"), media.Encrypted},
		"playlist":   {write(t, "x.mp4", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:1/x.ts\n")), media.Disguised},
		"sdp":        {write(t, "x.mp4", []byte("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n")), media.NotMedia},
		"subtitles":  {write(t, "x.mp4", []byte("1\n00:00:01,000 --> 00:00:02,000\nHello\n")), media.NotMedia},
		"image list": {write(t, "x.mp4", []byte("<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>")), media.Disguised},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := tryListen(t.Context(), c.path, media.ExtractOptions{})
			requireCode(t, c.code, err)
		})
	}
	_, err := media.Probe(t.Context(), filepath.Join(t.TempDir(), "nothing"))
	require.Equal(t, caption.KindNotFound, caption.KindOf(err))
}

// TestDisguised holds the protection itself to what it promises, for lists that begin like nothing that we know, too:
// no address is asked for, and no other file is read.
func TestDisguised(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		http.Error(w, "no", http.StatusNotFound)
	}))
	t.Cleanup(server.Close)
	folder := t.TempDir()
	secret := filepath.Join(folder, "secret.ts")
	require.NoError(t, copyFile(clip(t, "-c:v", "libx264", "-c:a", "aac", "x.ts"), secret))
	hls := "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n%s#EXTINF:6,\n%s\n#EXT-X-ENDLIST\n"
	lists := map[string]string{
		"hls to an address":       fmt.Sprintf(hls, "", server.URL+"/x.ts"),
		"hls with a remote key":   fmt.Sprintf(hls, `#EXT-X-KEY:METHOD=AES-128,URI="`+server.URL+`/key"`+"\n", "secret.ts"),
		"hls to a file":           fmt.Sprintf(hls, "", "file:"+secret),
		"hls to a file beside":    fmt.Sprintf(hls, "", "secret.ts"),
		"hls to both by concat":   fmt.Sprintf(hls, "", "concat:"+server.URL+"/x|file:"+secret),
		"ffconcat":                "ffconcat version 1.0\nfile secret.ts\n",
		"ffconcat to an address":  "ffconcat version 1.0\nfile '" + server.URL + "/x.ts'\n",
		"dash":                    `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT6S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>` + server.URL + `/x.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>`,
		"hls behind a long start": strings.Repeat("\n", 600) + fmt.Sprintf(hls, "", server.URL+"/x.ts"),
	}
	// What the playlist would give if it were followed is checked by the control below.
	info := media.Info{Audio: make([]media.AudioTrack, 1)}
	for name, list := range lists {
		for _, extension := range []string{"mp4", "m3u8", "ts", "mpd", "txt"} {
			path := filepath.Join(folder, "in."+extension)
			require.NoError(t, os.WriteFile(path, []byte(list), 0o600))
			_, err := media.Probe(t.Context(), path)
			require.Equal(t, caption.KindInvalid, caption.KindOf(err), "%s: %v", name, err)
			require.Contains(t, []string{media.Disguised, media.NotMedia}, caption.CodeOf(err), name)
			// Extraction is safe by itself, whoever says that the file is all right.
			length, err := media.Extract(t.Context(), path, info, media.ExtractOptions{}, func(media.Segment) error {
				t.Errorf("%s: sound came out", name)
				return nil
			})
			require.Equal(t, caption.KindInvalid, caption.KindOf(err), "%s: %v", name, err)
			require.Zero(t, length, name)
		}
	}
	require.Zero(t, requests.Load())
	_, total := loud(t, listen(t, secret, media.ExtractOptions{}))
	require.Positive(t, total, "the other file can be read when it is named")
}

func TestTooLong(t *testing.T) {
	long := clip(t, "-c:v", "libx264", "-c:a", "aac", "x.mp4")
	_, _, err := tryListen(t.Context(), long, media.ExtractOptions{MaxDuration: 5500})
	requireCode(t, media.TooLong, err)
	// A file that does not tell its length is stopped when it exceeds the limit.
	info, err := media.Probe(t.Context(), long)
	require.NoError(t, err)
	info.Duration = 0
	_, err = media.Extract(t.Context(), long, info, media.ExtractOptions{MaxDuration: 3000}, func(media.Segment) error { return nil })
	requireCode(t, media.TooLong, err)
	listen(t, long, media.ExtractOptions{MaxDuration: 6500})
}

func TestCancel(t *testing.T) {
	path := ffmpeg(t, append(lavfi("anoisesrc=d=600:r=16000"), "x.wav")...)
	ctx, cancel := context.WithCancel(t.Context())
	info, err := media.Probe(ctx, path)
	require.NoError(t, err)
	segments := 0
	_, err = media.Extract(ctx, path, info, media.ExtractOptions{}, func(media.Segment) error {
		segments++
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, segments, 9)
	_, err = media.Probe(ctx, path)
	require.ErrorIs(t, err, context.Canceled)

	stop := errors.New("enough")
	_, err = media.Extract(t.Context(), path, info, media.ExtractOptions{}, func(media.Segment) error { return stop })
	require.Equal(t, stop, err)
}
