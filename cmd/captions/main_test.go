package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/subtitle"
)

// program is the built program, and clip a video in which a voice says a sentence.
var program, clip string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "captions-cli-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // It lies in the folder of temporary files.
		program, clip = filepath.Join(dir, "captions"), filepath.Join(dir, "clip.mp4")
		voice := filepath.Join(dir, "voice.wav")
		for _, args := range [][]string{
			{"go", "build", "-ldflags", "-X main.version=v1.2.3-test", "-o", program, "."},
			{"flite", "-voice", "rms", "-t", "The farmer walks to the market and buys fresh bread.", "-o", voice},
			{"ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=5", "-i", voice, "-shortest", "-c:v", "libx264", "-c:a", "aac", clip},
		} {
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				panic(fmt.Sprintf("%v: %v\n%s", args, err, out))
			}
		}
		return m.Run()
	}())
}

// result is how the program ended.
type result struct {
	code           int
	stdout, stderr string
}

// home is a user's home: an own folder for settings, and a working folder.
type home struct {
	t   *testing.T
	dir string
}

func newHome(t *testing.T) home {
	t.Helper()
	return home{t, t.TempDir()}
}

func (h home) command(args ...string) *exec.Cmd {
	c := exec.CommandContext(h.t.Context(), program, args...)
	c.Dir = h.dir
	c.Env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(h.dir, "config"), "XDG_DATA_HOME="+filepath.Join(h.dir, "share"))
	return c
}

func (h home) run(stdin string, args ...string) result {
	h.t.Helper()
	c := h.command(args...)
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &errs
	err := c.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		require.NoError(h.t, err)
	}
	return result{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

// copyClip puts the clip into the working folder under a name.
func (h home) copyClip(name string) {
	h.t.Helper()
	b, err := os.ReadFile(clip)
	require.NoError(h.t, err)
	require.NoError(h.t, os.WriteFile(filepath.Join(h.dir, name), b, 0o600))
}

func (h home) read(name string) string {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, name))
	require.NoError(h.t, err)
	return string(b)
}

func TestTranscribeWritesAllFormatsAndReportsBadFiles(t *testing.T) {
	h := newHome(t)
	h.copyClip("talk.mp4")
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, "text.mp4"), []byte("no video"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, "empty.mp4"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(h.dir, "folder"), 0o700))
	r := h.run("", "transcribe", "-f", "vtt,srt,txt,json", "talk.mp4", "text.mp4", "missing.mp4", "empty.mp4", "folder")
	require.Equal(t, exitFailed, r.code, r.stderr)
	for _, want := range []string{"text.mp4: failed: This is not a video", "missing.mp4: failed: there is no such file",
		"empty.mp4: failed: The file is empty", "folder: failed: it is a folder", "talk.mp4: wrote "} {
		require.Contains(t, r.stderr, want)
	}
	require.Empty(t, r.stdout)
	require.Contains(t, h.read("talk.txt"), "market")
	vtt, err := subtitle.ReadVTT(strings.NewReader(h.read("talk.vtt")))
	require.NoError(t, err)
	srt, err := subtitle.ReadSRT(strings.NewReader(h.read("talk.srt")))
	require.NoError(t, err)
	require.Equal(t, vtt, srt)
	var tr caption.Transcript
	require.NoError(t, json.Unmarshal([]byte(h.read("talk.json")), &tr))
	require.Equal(t, vtt, tr.Cues)
	require.Equal(t, "pocketsphinx", tr.Engine)
	require.NotNil(t, tr.Words[0].Confidence)
	left, err := filepath.Glob(filepath.Join(h.dir, "*"))
	require.NoError(t, err)
	require.Len(t, left, 8, "no other file is left: %v", left)
}

func TestTranscribeDoesNotOverwrite(t *testing.T) {
	h := newHome(t)
	h.copyClip("talk.mp4")
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, "talk.vtt"), []byte("my edits"), 0o600))
	r := h.run("", "transcribe", "talk.mp4")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "talk.vtt exists already. Use --force")
	require.Equal(t, "my edits", h.read("talk.vtt"))
	r = h.run("", "transcribe", "--force", "talk.mp4")
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Contains(t, h.read("talk.vtt"), "WEBVTT")
}

func TestTranscribeToStandardOutputAndToAFolder(t *testing.T) {
	h := newHome(t)
	h.copyClip("talk.mp4")
	r := h.run("", "transcribe", "-f", "txt", "-o", "-", "talk.mp4")
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Contains(t, r.stdout, "bread")
	r = h.run("", "transcribe", "-f", "srt", "-o", "out/deep", "talk.mp4")
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Contains(t, h.read("out/deep/talk.srt"), "-->")
}

func TestUsage(t *testing.T) {
	h := newHome(t)
	h.copyClip("a.mp4")
	h.copyClip("a.mov")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":                   {nil, "Usage: captions"},
		"unknown command":              {[]string{"fly"}, "unexpected argument fly"},
		"no file":                      {[]string{"transcribe"}, "See: captions transcribe --help"},
		"unknown format":               {[]string{"transcribe", "-f", "exe", "a.mp4"}, `must be one of "vtt"`},
		"unknown profile":              {[]string{"transcribe", "--profile", "x", "a.mp4"}, `must be one of "netflix"`},
		"unknown engine":               {[]string{"transcribe", "--engine", "x", "a.mp4"}, `There is no speech engine "x"`},
		"two files, one output":        {[]string{"transcribe", "a.mp4", "a.mov"}, "would both be written to a.vtt"},
		"two formats, standard output": {[]string{"transcribe", "-o", "-", "-f", "vtt,srt", "a.mp4"}, "one file and one format"},
		"bad server":                   {[]string{"list", "--server", "nonsense"}, "is not the address of a server"},
		"no password":                  {[]string{"login", "ada@example.org"}, "--password-stdin"},
	} {
		t.Run(name, func(t *testing.T) {
			r := h.run("", c.args...)
			require.Contains(t, r.stdout+r.stderr, c.want)
			if name != "bad server" {
				require.Equal(t, exitUsage, r.code)
			}
		})
	}
}

func TestVersionHelpAndCompletion(t *testing.T) {
	h := newHome(t)
	require.Equal(t, "captions v1.2.3-test\n", h.run("", "version").stdout)
	for _, cmd := range []string{"transcribe", "serve", "login", "submit", "list", "result", "load"} {
		r := h.run("", cmd, "--help")
		require.Equal(t, exitOK, r.code)
		require.Contains(t, r.stdout, "captions "+cmd, "an example")
		require.Contains(t, r.stdout, "Examples:")
	}
	// A shell asks the program itself what may follow.
	c := h.command()
	c.Env = append(c.Env, "COMP_LINE=captions tr", "COMP_POINT=11")
	out, err := c.Output()
	require.NoError(t, err)
	require.Equal(t, "transcribe\n", string(out))
}

func TestInterruptEndsWithItsOwnCodeAndLeavesNothing(t *testing.T) {
	h := newHome(t)
	h.copyClip("talk.mp4")
	long := filepath.Join(h.dir, "long.wav")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-stream_loop", "60", "-i", clip, "-vn", long).CombinedOutput()
	require.NoError(t, err, "%s", out)
	c := h.command("transcribe", "long.wav")
	stderr, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	first := make([]byte, 1)
	_, err = stderr.Read(first) // it has begun
	require.NoError(t, err)
	require.NoError(t, c.Process.Signal(os.Interrupt))
	var rest bytes.Buffer
	_, err = rest.ReadFrom(stderr)
	require.NoError(t, err)
	require.Error(t, c.Wait())
	require.Equal(t, exitInterrupted, c.ProcessState.ExitCode(), rest.String())
	_, err = os.Stat(filepath.Join(h.dir, "long.vtt"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// serve starts a server for a home and returns its address; it is stopped, and must end in order, when the test ends.
func (h home) serve() string {
	h.t.Helper()
	c := h.command("serve", "--addr", "127.0.0.1:0", "--data", "data")
	// Not with the test's context, whose end would kill the server before it could stop in order.
	env, dir := c.Env, c.Dir
	c = exec.Command(program, c.Args[1:]...)
	c.Env, c.Dir = env, dir
	stdout, err := c.StdoutPipe()
	require.NoError(h.t, err)
	var logs bytes.Buffer
	c.Stderr = &logs
	require.NoError(h.t, c.Start())
	h.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // When it has ended already, Wait says how.
		if err := c.Wait(); err != nil {
			h.t.Errorf("serve: %v\n%s", err, logs.String())
		}
		require.NotContains(h.t, logs.String(), "NoSuchBucket", "nothing looks into the bucket before it is made")
	})
	var url string
	_, err = fmt.Fscanf(stdout, "captions is ready on %s\n", &url)
	require.NoError(h.t, err)
	return url
}

func TestClientAgainstAServer(t *testing.T) {
	h := newHome(t)
	h.copyClip("talk.mp4")
	url := h.serve()
	r := h.run("", "list", "--server", url)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "captions login")

	r = h.run("correct horse battery\n", "login", "--server", url, "--create", "--password-stdin", "Ada@Example.org")
	require.Equal(t, exitOK, r.code, r.stderr)
	st, err := os.Stat(filepath.Join(h.dir, "config/captions/session.json"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), st.Mode().Perm())
	dir, err := os.Stat(filepath.Join(h.dir, "config/captions"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), dir.Mode().Perm())
	r = h.run("wrong password\n", "login", "--server", url, "--password-stdin", "ada@example.org")
	require.Equal(t, exitFailed, r.code)

	r = h.run("", "list")
	require.Contains(t, r.stderr, "Nothing here yet")
	r = h.run("", "submit", "talk.mp4", "--wait", "-f", "vtt,txt")
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Contains(t, h.read("talk.txt"), "market")
	r = h.run("", "list", "--json", "farmer")
	var j struct{ ID, State, Title string }
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &j), r.stdout)
	require.Equal(t, "processed", j.State)
	r = h.run("", "result", j.ID, "-f", "vtt")
	require.Equal(t, h.read("talk.vtt"), r.stdout)
	r = h.run("", "result", j.ID, "-f", "vtt", "-o", "talk.vtt")
	require.Equal(t, exitFailed, r.code, "it would overwrite")
	r = h.run("", "result", "nosuchjob")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "no caption job")

	require.NoError(t, os.WriteFile(filepath.Join(h.dir, "bad.mp4"), []byte("no video"), 0o600))
	r = h.run("", "submit", "--wait", "bad.mp4", "missing.mp4")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "bad.mp4: failed: This is not a video")
	require.Contains(t, r.stderr, "missing.mp4: failed: missing.mp4 does not exist")

	// Several programs with an expired token must not end the session by using its refresh token twice.
	path := filepath.Join(h.dir, "config/captions/session.json")
	var s map[string]any
	require.NoError(t, json.Unmarshal([]byte(h.read("config/captions/session.json")), &s))
	s["expires"] = time.Now().Add(-time.Hour)
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	var all []*exec.Cmd
	for range 4 {
		c := h.command("list")
		require.NoError(t, c.Start())
		all = append(all, c)
	}
	for _, c := range all {
		require.NoError(t, c.Wait())
	}

	r = h.run("", "logout")
	require.Equal(t, exitOK, r.code, r.stderr)
	_, err = os.Stat(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	r = h.run("", "list", "--server", url)
	require.Equal(t, exitFailed, r.code)
}

func TestServeSaysWhatIsInTheWay(t *testing.T) {
	h := newHome(t)
	url := h.serve()
	r := h.run("", "serve", "--addr", "127.0.0.1:0", "--data", "data")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "Another captions serve uses the data folder")
	r = h.run("", "serve", "--addr", strings.TrimPrefix(url, "http://"), "--data", "other")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "is in use: stop the other program or choose another with --addr")
	res, err := http.Get(url + "/")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}
