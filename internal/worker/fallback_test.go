package worker

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/deepgram"
	"k8s-scalers/internal/subtitle"
)

// named is an engine under another name.
type named struct {
	*engine
	name    string
	diarize bool
}

func (n named) Capabilities() speech.Capabilities {
	c := n.engine.Capabilities()
	c.Name, c.Diarization = n.name, n.diarize
	return c
}

// refuses is a hook for an engine whose key is wrong from its n-th call on.
func refuses(n int) func(context.Context, int) error {
	return func(_ context.Context, call int) error {
		if call < n {
			return nil
		}
		return caption.Errorf(caption.KindUnauthenticated, "The key is wrong.").WithCode("engine_key")
	}
}

// An engine that wants the whole sound fails; the next one wants segments, so the video is cut anew.
func TestAJobFallsBackToTheNextEngine(t *testing.T) {
	f := newFixture(t)
	first := named{&engine{whole: true, hook: refuses(1)}, "first", false}
	f.w.Engines, f.w.Fallback = []speech.Recognizer{first, f.engine}, true
	j := f.job(sound(t, 45))
	f.start()
	j = f.until(j.ID, ended)
	f.checkDone(j)
	require.Equal(t, "stub", j.Engine)
	require.GreaterOrEqual(t, j.Segments, 4)
	require.Equal(t, 1, first.total, "a key that is wrong is not tried again")
	tr, err := f.store.Transcript(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, "stub", tr.Engine)
}

// What the first engine has done stays, and the result says that there were two.
func TestAFallbackKeepsWhatIsDone(t *testing.T) {
	f := newFixture(t)
	first := named{&engine{hook: refuses(3)}, "first", false}
	f.w.Engines, f.w.Fallback, f.w.Parallel = []speech.Recognizer{first, f.engine}, true, 1
	j := f.job(sound(t, 45))
	f.start()
	j = f.until(j.ID, ended)
	f.checkDone(j)
	require.Equal(t, j.Segments-2, f.engine.total)
	tr, err := f.store.Transcript(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, "first, stub", tr.Engine)
}

func TestWithoutFallbackTheJobFails(t *testing.T) {
	for name, c := range map[string]struct {
		fallback, diarize bool
	}{
		"the operator wants none":                    {false, false},
		"the next engine cannot tell speakers apart": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			first := named{&engine{hook: refuses(1)}, "first", true}
			f.w.Engines, f.w.Fallback = []speech.Recognizer{first, f.engine}, c.fallback
			j := f.job(sound(t, 15))
			_, err := f.store.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error { j.Options.Diarize = c.diarize; return nil })
			require.NoError(t, err)
			f.start()
			j = f.until(j.ID, ended)
			require.Equal(t, caption.Failed, j.State)
			require.Equal(t, "engine_key", j.Reason.Code)
			require.Zero(t, f.engine.total)
		})
	}
}

// here is the folder of the package; the S3 server of the tests changes the working directory.
var here, _ = os.Getwd()

// The answer that Deepgram gives for two speakers becomes cues that name them.
func TestSpeakersOfDeepgram(t *testing.T) {
	answer, err := os.ReadFile(filepath.Join(here, "../speech/deepgram/testdata/diarized.json"))
	require.NoError(t, err)
	asked := make(chan string, 10)
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Query().Get("diarize_model") + " " + r.URL.Query().Get("detect_language")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(standIn.Close)
	dg, err := deepgram.New(deepgram.Deps{Key: "k", BaseURL: standIn.URL})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dg.Close()) })

	f := newFixture(t)
	f.w.Engines = []speech.Recognizer{dg}
	j := f.job(sound(t, 7))
	_, err = f.store.UpdateJob(t.Context(), j.ID, func(j *caption.Job) error { j.Options.Diarize = true; return nil })
	require.NoError(t, err)
	f.start()
	j = f.until(j.ID, ended)
	require.Equal(t, caption.Processed, j.State, "%+v", j.Reason)
	require.Equal(t, "latest true", <-asked)
	require.Equal(t, []string{"deepgram", "en"}, []string{j.Engine, j.Language})
	tr, err := f.store.Transcript(t.Context(), j.ID)
	require.NoError(t, err)
	var vtt, srt, plain bytes.Buffer
	require.NoError(t, subtitle.Write(&vtt, "vtt", tr, subtitle.Options{Speakers: true}))
	require.NoError(t, subtitle.Write(&srt, "srt", tr, subtitle.Options{Speakers: true}))
	require.NoError(t, subtitle.Write(&plain, "vtt", tr, subtitle.Options{}))
	require.Contains(t, vtt.String(), "<v Speaker 1>Good morning.")
	require.Contains(t, vtt.String(), "<v Speaker 2>We owe")
	require.Contains(t, srt.String(), "[Speaker 2] We owe")
	require.NotContains(t, plain.String(), "Speaker")
}

func TestAWorkerTellsThatItIsIdle(t *testing.T) {
	f := newFixture(t)
	idle := make(chan struct{})
	f.w.Idle, f.w.OnIdle = 300*time.Millisecond, func() { close(idle) }
	f.engine.hook = func(context.Context, int) error {
		select {
		case <-idle:
			t.Error("idle in the middle of a task")
		case <-time.After(400 * time.Millisecond):
		}
		return nil
	}
	j := f.job(sound(t, 15))
	f.start()
	f.checkDone(f.until(j.ID, ended))
	<-idle
}
