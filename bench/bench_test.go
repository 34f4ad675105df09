package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/speech/speechtest"
)

// TestMain lets the test binary be the object server, as the program does.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == objectServerCommand {
		if err := serveObjects(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return &lab{dir: t.TempDir(), quick: true, start: time.Now(), log: io.Discard}
}

func TestTable(t *testing.T) {
	got := table([]row{
		{"time", "–", "≤ 5 %", "4 %", reached},
		{"memory of it", "12 MB", "≤ 10 MB", "11 MB", missed},
	})
	require.Equal(t, strings.TrimLeft(`
| what         | against | goal    | result | reached |
|--------------|---------|---------|--------|---------|
| time         | –       | ≤ 5 %   | 4 %    | yes     |
| memory of it | 12 MB   | ≤ 10 MB | 11 MB  | no      |
`, "\n"), got)
}

func TestDocumentKeepsWhatWasNotMeasured(t *testing.T) {
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	show := func(figure figure, result string) {
		rows := []row{{"a", "b", "c", result, noGoal}}
		require.NoError(t, keep(path, map[string]string{figure.name: section(t.Context(), newLab(t), figure, rows)}))
	}
	all := figures()
	show(all[2], "first")
	show(all[1], "second")
	show(all[2], "third")
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(page), "first")
	require.Regexp(t, "(?s)^# Bench.*## "+all[1].name+"\n.*second.*## "+all[2].name+"\n.*third", string(page))
}

func TestMedianAndQuantile(t *testing.T) {
	require.Equal(t, 2*time.Second, median([]time.Duration{3 * time.Second, time.Second, 2 * time.Second}))
	require.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 1e-9)
	var d []time.Duration
	for i := range 1000 {
		d = append(d, time.Duration(1000-i)*time.Millisecond)
	}
	require.Equal(t, 991*time.Millisecond, quantile(d, 0.99))
	require.Equal(t, 1000*time.Millisecond, quantile(d, 1))
}

func TestChoose(t *testing.T) {
	all, err := choose("")
	require.NoError(t, err)
	require.Len(t, all, len(figures()))
	two, err := choose("upload,speed")
	require.NoError(t, err)
	require.Equal(t, "upload", two[0].name)
	require.Equal(t, "speed", two[1].name)
	_, err = choose("speed,sped")
	require.ErrorContains(t, err, "accuracy")
}

func TestQuickFiguresAreNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	require.ErrorContains(t, run(t.Context(), []string{"-quick", "-write", path}, io.Discard, io.Discard), "-write")
	require.NoFileExists(t, path)
}

func TestParseWrk(t *testing.T) {
	n, err := parseWrk("Running 2s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\nRequests/sec:   6600.25\nTransfer/sec:      1.28MB\n")
	require.NoError(t, err)
	require.InDelta(t, 6600.25, n, 0)
	for _, bad := range []string{"", "Non-2xx or 3xx responses: 12\nRequests/sec: 5\n", "Socket errors: connect 0, read 3, write 0, timeout 0\nRequests/sec: 5\n"} {
		_, err := parseWrk(bad)
		require.Error(t, err, bad)
	}
}

func TestParseStatus(t *testing.T) {
	status := "Name:\tcaptions\nVmHWM:\t  130204 kB\nVmRSS:\t    1024 kB\nThreads:\t9\n"
	n, err := parseStatus(status, "VmRSS")
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, n)
	for _, absent := range []string{"VmPeak", "Threads"} {
		_, err = parseStatus(status, absent)
		require.Error(t, err, absent)
	}
	_, err = memory(os.Getpid(), "VmHWM")
	require.NoError(t, err)
}

func TestSilences(t *testing.T) {
	report := "[silencedetect @ 0x1] silence_start: -0.0006875\n[silencedetect @ 0x1] silence_end: 0.4 | silence_duration: 0.4\n" +
		"size=N/A\n[silencedetect @ 0x1] silence_start: 11.25\n"
	require.Equal(t, [][2]float64{{0, 0.4}, {11.25, -1}}, silences(report))
	require.Empty(t, silences("nothing of the kind"))
}

func TestUtterancesCoverTheSound(t *testing.T) {
	cut := utterances([][2]float64{{4, 5}, {13, 14}, {20, 21}, {58, -1}}, 60)
	require.Equal(t, [][2]float64{{0, 13.5}, {13.5, 20.5}, {20.5, 35.5}, {35.5, 50.5}, {50.5, 60}}, cut)
	require.Empty(t, utterances(nil, 0))
}

func TestHypothesis(t *testing.T) {
	require.Equal(t, []string{"the", "old", "bridge"}, hypothesis("the old (000000 -4711)\n (000001 -12)\n<sil> bridge [NOISE] ++UH++ (000002 -1)\n"))
}

func TestTranscription(t *testing.T) {
	name, words, ok := parseTranscription("<s> he was not </s> (austen-0880)\n")
	require.True(t, ok)
	require.Equal(t, "austen-0880", name)
	require.Equal(t, []string{"he", "was", "not"}, words)
	for _, bad := range []string{"", "he was not", "<s> he </s> ()", "(austen)"} {
		_, _, ok := parseTranscription(bad)
		require.False(t, ok, bad)
	}
}

func TestHumanSpeechIsThere(t *testing.T) {
	files, words, err := humanSpeech()
	require.NoError(t, err)
	require.NotEmpty(t, files)
	require.Greater(t, len(words), 60)
	for _, f := range files {
		require.FileExists(t, f)
	}
}

func TestParagraphs(t *testing.T) {
	require.GreaterOrEqual(t, len(paragraphs()), 20)
	for _, p := range paragraphs() {
		require.Greater(t, len(strings.Fields(p)), 20, p)
	}
}

func TestPeerRecognisesSpeech(t *testing.T) {
	l := newLab(t)
	var said track
	require.NoError(t, l.speak(t.Context(), &said, "rms", paragraphs()[0]))
	video, err := l.videoOf(t.Context(), "said.mp4", &said)
	require.NoError(t, err)
	words, err := peer(t.Context(), video, l.dir)
	require.NoError(t, err)
	require.Less(t, speechtest.WER(said.words, words), 0.25, "heard: %v", words)
}

func TestUploadStraightToTheObjectStore(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, randomFile(file, 12<<20))
	o, err := startObjects(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, o.upload(t.Context(), file, "key", 5<<20, 2, func() {}))
	require.FileExists(t, o.path("key"))
	got, err := o.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("key")})
	require.NoError(t, err)
	stored, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, stored), "the object differs from the file")
	require.NoError(t, o.remove(t.Context(), "key"))
	o.http.CloseIdleConnections()
	require.NoError(t, o.stop())
}
