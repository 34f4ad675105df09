package pocketsphinx_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/pocketsphinx"
	"k8s-scalers/internal/speech/speechtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newEngine(t *testing.T, d pocketsphinx.Deps) *pocketsphinx.Engine {
	t.Helper()
	if d.TempDir == "" {
		d.TempDir = t.TempDir()
	}
	e, err := pocketsphinx.New(d)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, e.Close())
		left, err := os.ReadDir(d.TempDir)
		require.NoError(t, err)
		require.Empty(t, left, "folders of processes")
	})
	return e
}

func TestConformance(t *testing.T) {
	speechtest.Run(t, speechtest.Engine{
		New:    func(t *testing.T) speech.Recognizer { return newEngine(t, pocketsphinx.Deps{Processes: 2}) },
		MaxWER: 0.15, Unsupported: "de",
	})
}

func TestMissing(t *testing.T) {
	for name, d := range map[string]pocketsphinx.Deps{
		"program": {Program: "no-such-program"},
		"model":   {Model: t.TempDir()},
	} {
		_, err := pocketsphinx.New(d)
		require.Equal(t, caption.KindUnavailable, caption.KindOf(err), name)
		require.ErrorContains(t, err, "apt-get install pocketsphinx pocketsphinx-en-us", name)
	}
}

// script makes a program that fails like pocketsphinx_batch could and then becomes it.
func script(t *testing.T, body string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+body), 0o700))
	return file
}

func TestProcessThatFails(t *testing.T) {
	sound := speech.AudioOf(speechtest.Say(t, "rms", speechtest.Sentences[0]))
	mark := filepath.Join(t.TempDir(), "mark")
	once := "if mkdir " + mark + " 2>/dev/null; then "
	for name, c := range map[string]struct {
		program string
		works   bool
	}{
		"ends at once, the first time":     {once + "exit 1; fi\nexec pocketsphinx_batch \"$@\"", true},
		"ends after a name":                {once + "read name; exit 1; fi\nexec pocketsphinx_batch \"$@\"", true},
		"ends in the middle of its answer": {once + "read name; echo 'one two (u1 -1)'; echo 'u1 1 0 1 one 1'; exit 1; fi\nexec pocketsphinx_batch \"$@\"", true},
		"answers for another":              {once + "read name; echo 'one two (u7 -1)'; read name; fi\nexec pocketsphinx_batch \"$@\"", true},
		"always ends":                      {"echo broken model >&2; exit 1", false},
		"is no program for this machine":   {"exec /nonexistent", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { _ = os.Remove(mark) })
			e := newEngine(t, pocketsphinx.Deps{Processes: 1, Program: script(t, c.program)})
			result, err := e.Recognize(t.Context(), sound, speech.Request{})
			if c.works {
				require.NoError(t, err)
				require.Contains(t, speechtest.Text(result.Words), "river just below the town")
				return
			}
			require.Equal(t, caption.KindUnavailable, caption.KindOf(err))
			require.Equal(t, "engine_failed", caption.CodeOf(err))
		})
	}
}

func TestIdleProcessesStop(t *testing.T) {
	folder := t.TempDir()
	e := newEngine(t, pocketsphinx.Deps{Processes: 1, TempDir: folder, Idle: 50 * time.Millisecond})
	sound := speech.AudioOf(speechtest.Say(t, "rms", "yes"))
	for range 2 { // a new process is started after the first was stopped
		_, err := e.Recognize(t.Context(), sound, speech.Request{})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			left, err := os.ReadDir(folder)
			return err == nil && len(left) == 0
		}, 10*time.Second, 10*time.Millisecond)
	}
}

// Something such as the kernel, short of memory, may end processes while they are idle.
func TestIdleProcessesThatDied(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "pids")
	e := newEngine(t, pocketsphinx.Deps{Processes: 2, Program: script(t, "echo $$ >> "+mark+"\nexec pocketsphinx_batch \"$@\"")})
	word := speechtest.Say(t, "rms", speechtest.Sentences[0])
	sound := speech.AudioOf(speechtest.Join(word, speechtest.Silence(3000), word)) // two utterances for two processes
	_, err := e.Recognize(t.Context(), sound, speech.Request{})
	require.NoError(t, err)
	pids, err := os.ReadFile(mark)
	require.NoError(t, err)
	require.Len(t, strings.Fields(string(pids)), 2)
	for pid := range strings.FieldsSeq(string(pids)) {
		id, err := strconv.Atoi(pid)
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(id, syscall.SIGKILL))
	}
	result, err := e.Recognize(t.Context(), sound, speech.Request{})
	require.NoError(t, err)
	require.NotEmpty(t, result.Words)
}
