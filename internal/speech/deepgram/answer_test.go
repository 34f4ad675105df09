package deepgram

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/speech/remote"
)

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

func TestParse(t *testing.T) {
	confidence := 0.9
	for name, want := range map[string]transcript{
		"silence.json": {requestID: "00000000-0000-4000-8000-000000000002"},
		"utterances.json": {requestID: "00000000-0000-4000-8000-000000000003", language: "es", words: []remote.Word{
			{Text: "hello", Start: 0.5, End: 1, Confidence: &confidence, Speaker: "Speaker 3"},
		}},
	} {
		got, err := parse(recorded(t, name))
		require.NoError(t, err, name)
		require.Empty(t, cmp.Diff(want, got, cmp.AllowUnexported(transcript{})), name)
	}
	got, err := parse([]byte(`{"results":{"channels":[{"detected_language":"PT_br","alternatives":[{"words":[
		{"word":"a","start":0,"end":1,"speaker":-1},{"word":"b","punctuated_word":"B.","start":1,"end":2,"speaker":null}]}]}]}}`))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]remote.Word{{Text: "a", End: 1}, {Text: "B.", Start: 1, End: 2}}, got.words))
	require.Equal(t, "pt-BR", got.language)
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"diarized.json", "silence.json", "utterances.json"} {
		f.Add(recorded(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := parse(b)
		if err != nil {
			return
		}
		require.True(t, json.Valid(b))
		for _, w := range remote.Place(parsed.words, 5000) {
			require.Greater(t, w.End, w.Start)
		}
	})
}

func FuzzParseRefusal(f *testing.F) {
	f.Add([]byte(`{"err_code":"a","err_msg":"b","request_id":"c"}`))
	f.Add([]byte(`{"category":"a","message":"b","details":{"c":1},"request_id":"c"}`))
	f.Add([]byte("plain"))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := parseRefusal(b)
		if len(b) > 0 && r.code == "" {
			require.NotEmpty(t, r.message, "something is told")
		}
	})
}
