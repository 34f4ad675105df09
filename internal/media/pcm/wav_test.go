package pcm_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/media/pcm"
)

func TestWAV(t *testing.T) {
	for _, size := range []int{0, 2, 640, 32000} {
		sound := bytes.Repeat([]byte{1, 2}, size/2)
		file, err := io.ReadAll(pcm.NewWAV(sound))
		require.NoError(t, err)
		require.Len(t, file, int(pcm.WAVSize(int64(size))))
		got, err := pcm.ReadAll(iotest.OneByteReader(bytes.NewReader(file)))
		require.NoError(t, err)
		require.True(t, bytes.Equal(sound, got))
	}
	// Other chunks, of odd sizes too, may stand before the sound, and others after it.
	file := []byte(string(pcm.Header(4)[:36]) + "LIST\x03\x00\x00\x00abc\x00data\x04\x00\x00\x00soundLIST")
	got, err := pcm.ReadAll(bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, "soun", string(got))
	// A file that was cut gives what is there.
	got, err = pcm.ReadAll(io.MultiReader(bytes.NewReader(pcm.Header(1<<31)), strings.NewReader("abc")))
	require.NoError(t, err)
	require.Equal(t, "ab", string(got))
}

func TestNotWAV(t *testing.T) {
	header := string(pcm.Header(0))
	for name, file := range map[string]string{
		"empty": "", "text": "Dear customer", "cut": header[:30], "stereo": header[:22] + "\x02" + header[23:],
		"44100 Hz": header[:24] + "\x44\xac" + header[26:], "8 bits": header[:34] + "\x08" + header[35:], "float": header[:20] + "\x03" + header[21:],
		"no format": header[:12] + header[36:], "endless chunk": header[:12] + "LIST\xff\xff\xff\xff", "tiny format": header[:16] + "\x02" + header[17:],
	} {
		_, err := pcm.ReadAll(strings.NewReader(file))
		require.ErrorIs(t, err, pcm.ErrWAV, name)
	}
	broken := errors.New("the disk is on fire")
	for n := range len(header) {
		_, err := pcm.ReadAll(io.MultiReader(strings.NewReader(header[:n]), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken)
		require.NotErrorIs(t, err, pcm.ErrWAV, "a failed read says nothing about the file")
	}
}

func FuzzReadAll(f *testing.F) {
	f.Add(append(pcm.Header(4), 1, 2, 3, 4))
	f.Add(append(pcm.Header(4)[:36:36], "LIST\x03\x00\x00\x00abc\x00data\x04\x00\x00\x00sound"...))
	f.Fuzz(func(t *testing.T, file []byte) {
		sound, err := pcm.ReadAll(bytes.NewReader(file))
		if err != nil {
			require.ErrorIs(t, err, pcm.ErrWAV)
			return
		}
		require.Less(t, len(sound), len(file))
		require.Zero(t, len(sound)%pcm.BytesPerSample)
		again, err := pcm.ReadAll(pcm.NewWAV(sound))
		require.NoError(t, err)
		require.True(t, bytes.Equal(sound, again))
	})
}
