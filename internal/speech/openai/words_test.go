package openai

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
	"k8s-scalers/internal/speech/remote"
)

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

func TestHear(t *testing.T) {
	w := func(text string, start, end float64) remote.Word {
		return remote.Word{Text: text, Start: start, End: end}
	}
	for name, c := range map[string]struct {
		body string
		want []remote.Word
		left int
	}{
		"OpenAI": { // words get their punctuation, and the third segment is doubtful
			string(recorded(t, "openai.json")), []remote.Word{w("Good", 0.1, 0.4), w("morning,", 0.4, 0.9), w("well-known", 1, 1.5), w("friends.", 1.5, 2),
				w("We", 2.6, 2.7), w("owe", 2.7, 3), w("$12.", 3, 3.5)}, 1,
		},
		"vLLM": { // times are spread by length
			string(recorded(t, "vllm.json")), []remote.Word{w("One", 1, 1.333), w("three.", 1.333, 2), w("Go", 3, 3.4), w("on.", 3.4, 4)}, 0,
		},
		"nothing":            {`{"text":"","segments":[],"words":[]}`, nil, 0},
		"blank segments":     {`{"text":" ","segments":[{"text":" ","start":0,"end":1}],"words":null}`, nil, 0},
		"words alone":        {`{"text":"Hi there.","words":[{"word":"Hi","start":"0.5","end":1},{"word":"there","start":1,"end":1.5}]}`, []remote.Word{w("Hi", 0.5, 1), w("there", 1, 1.5)}, 0},
		"sure of no speech":  {`{"text":"x","segments":[{"text":"x","start":0,"end":1,"no_speech_prob":0.99,"avg_logprob":-0.5}]}`, []remote.Word{w("x", 0, 1)}, 0},
		"doubt without more": {`{"text":"x","segments":[{"text":"x","start":0,"end":1,"no_speech_prob":0.99}]}`, []remote.Word{w("x", 0, 1)}, 0},
		"doubtful":           {`{"text":"x","segments":[{"text":"x","start":0,"end":1,"no_speech_prob":0.61,"avg_logprob":"-1.01"}]}`, nil, 1},
		"other words in one segment": {
			`{"text":"","segments":[{"text":"Ten, yes.","start":0,"end":1},{"text":"No 10 %!","start":1,"end":2}],"words":[{"word":"Ten","start":0,"end":0.5},
			{"word":"yes","start":0.5,"end":1},{"word":"No","start":1,"end":1.2},{"word":"ten","start":1.2,"end":1.5},{"word":"percent","start":1.5,"end":2}]}`,
			[]remote.Word{w("Ten,", 0, 0.5), w("yes.", 0.5, 1), w("No", 1, 1.2), w("ten", 1.2, 1.5), w("percent", 1.5, 2)}, 0,
		},
		"punctuation that stands alone": {
			`{"text":"","segments":[{"text":"- Yes - no ♪","start":0,"end":1,"words":[{"word":" Yes","start":0,"end":0.4},{"word":" no","start":0.5,"end":1}]}]}`,
			[]remote.Word{w("Yes -", 0, 0.4), w("no ♪", 0.5, 1)}, 0,
		},
		"a piece over two words": {
			`{"text":"","segments":[{"text":"New York.","start":0,"end":1,"words":[{"word":"NewYork","start":0,"end":1}]}]}`,
			[]remote.Word{w("New", 0, 1), w("York.", 0, 1)}, 0, // packages that place words keep them apart
		},
		"a script without spaces": {
			`{"text":"","segments":[{"text":"你好。","start":0,"end":1,"words":[{"word":"你","start":0,"end":0.4},{"word":"好。","start":0.4,"end":1}]}]}`,
			[]remote.Word{w("你", 0, 0.4), w("好。", 0.4, 1)}, 0,
		},
		"pieces of a letter": { // whisper.cpp cuts UTF-8 apart
			`{"text":"","segments":[{"text":"你好。再见","start":0,"end":1,"words":[{"word":"\ufffd","start":0,"end":0.4},{"word":"\ufffd","start":0.4,"end":1}]}]}`,
			[]remote.Word{w("你好。", 0, 0.6), w("再见", 0.6, 1)}, 0,
		},
	} {
		r, err := parse([]byte(c.body))
		require.NoError(t, err, name)
		words, left, err := r.hear(&meter{})
		require.NoError(t, err, name)
		require.Empty(t, cmp.Diff(c.want, words, cmpopts.EquateApprox(0, 0.001), cmpopts.EquateEmpty()), name)
		require.Equal(t, c.left, left, name)
	}
}

func TestMeter(t *testing.T) {
	loud := make([]byte, pcm.Bytes(1000))
	for i := range loud {
		loud[i] = byte(i * 31)
	}
	sound := append(make([]byte, pcm.Bytes(1000)), loud...)
	for _, step := range []int{1, 7, pcm.FrameBytes, 1000, len(sound)} {
		var m meter
		m.tap(loud[:777], true)
		m.tap(sound[:0], true)
		for i := 0; i < len(sound); i += step {
			m.tap(sound[i:min(i+step, len(sound))], i == 0)
		}
		require.True(t, m.silent(0, 1000), step)
		require.True(t, m.silent(-250, 900))
		require.False(t, m.silent(0, 1100))
		require.False(t, m.silent(1500, 2500))
		require.False(t, m.silent(2000, 3000), "what was not sent is not silent")
		require.False(t, m.silent(500, 500))
		require.False(t, m.silent(1<<62, -1<<62))
	}
}

func FuzzHear(f *testing.F) {
	for _, name := range []string{"openai.json", "whispercpp.json", "vllm.json"} {
		f.Add(recorded(f, name))
	}
	f.Add([]byte(`{"segments":[{"text":"你好。 - a","start":"1e308","end":-1e308,"words":[{"word":"你\ufffd","start":0,"end":1}]}],"words":[{"word":"a"}]}`))
	var level meter
	level.tap(make([]byte, pcm.Bytes(2000)), true)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parse(b)
		if err != nil {
			return
		}
		words, _, err := r.hear(&level)
		if err != nil {
			return
		}
		var last caption.Millis
		for _, w := range remote.Place(words, 5000) {
			require.NotEmpty(t, w.Text)
			require.GreaterOrEqual(t, w.Start, last)
			require.Greater(t, w.End, w.Start)
			last = w.End
		}
		require.LessOrEqual(t, last, caption.Millis(5000))
	})
}

func FuzzParseRefusal(f *testing.F) {
	f.Add([]byte(`{"error":{"message":"a","type":"b","param":null,"code":404}}`))
	f.Add([]byte(`{"error":"a"}`))
	f.Add([]byte(`{"detail":[{"loc":["body"]}]}`))
	f.Add([]byte("plain"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := parseRefusal(b); len(b) > 0 {
			require.NotEmpty(t, r.message, "something is told")
		}
	})
}
