package media_test

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/media"
	"k8s-scalers/internal/media/pcm"
)

func TestContainers(t *testing.T) {
	for name, args := range map[string][]string{
		"x.mp4":  {"-c:v", "libx264", "-c:a", "aac"},
		"x.mov":  {"-c:v", "libx264", "-c:a", "pcm_s16le"},
		"x.mkv":  {"-c:v", "libx264", "-c:a", "flac"},
		"x.webm": {"-c:v", "libvpx", "-c:a", "libopus"},
		"x.avi":  {"-c:v", "mpeg4", "-c:a", "libmp3lame"},
		"x.ts":   {"-c:v", "libx264", "-c:a", "aac"},
		"x.mp3":  {"-vn"},
		"x.m4a":  {"-vn"},
		"x.wav":  {"-vn"},
		"x.flac": {"-vn"},
		"x.ogg":  {"-vn", "-c:a", "libvorbis"},
		"x.opus": {"-vn", "-c:a", "libopus"},
		"x.aac":  {"-vn"},
	} {
		t.Run(name, func(t *testing.T) {
			path := clip(t, append(args, name)...)
			info, err := media.Probe(t.Context(), path)
			require.NoError(t, err)
			require.NotEmpty(t, info.Container)
			require.Len(t, info.Audio, 1)
			require.NotEmpty(t, info.Audio[0].Codec)
			require.Equal(t, 1, info.Audio[0].Channels)
			require.Positive(t, info.Audio[0].SampleRate)
			require.InDelta(t, 6000, int(info.Duration), 500) // estimated from the bit rate where the format does not say
			require.Equal(t, args[0] != "-vn", info.Video != nil)

			sound := listen(t, path, media.ExtractOptions{})
			require.InDelta(t, 6000, int(pcm.Duration(int64(len(sound)))), 150)
			first, total := loud(t, sound)
			require.InDelta(t, 0, int(first), 60)
			require.InDelta(t, 3000, int(total), 300)

			renamed := filepath.Join(t.TempDir(), "no extension; $(echo) %s")
			require.NoError(t, copyFile(path, renamed))
			require.Len(t, listen(t, renamed, media.ExtractOptions{}), len(sound))
		})
	}
}

func TestSampleRatesAndChannels(t *testing.T) {
	for _, rate := range []int{8000, 11025, 22050, 44100, 48000, 96000} {
		for channels, layout := range map[int]string{1: "mono", 2: "stereo", 6: "5.1"} {
			path := ffmpeg(t, append(lavfi(tone), "-ar", strconv.Itoa(rate), "-af", "aformat=channel_layouts="+layout, "x.wav")...)
			info, err := media.Probe(t.Context(), path)
			require.NoError(t, err)
			require.Equal(t, rate, info.Audio[0].SampleRate)
			require.Equal(t, channels, info.Audio[0].Channels)
			sound := listen(t, path, media.ExtractOptions{})
			require.InDelta(t, 6000, int(pcm.Duration(int64(len(sound)))), 20, "%d Hz, %s", rate, layout)
			first, total := loud(t, sound)
			require.InDelta(t, 0, int(first), 20)
			require.InDelta(t, 3000, int(total), 150)
		}
	}
}

func TestTracks(t *testing.T) {
	path := ffmpeg(t, append(lavfi(picture, tone, "anullsrc=d=4", "sine=f=300:d=5"),
		"-map", "0", "-map", "1", "-map", "2", "-map", "3", "-c:v", "libx264", "-c:a", "aac",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-metadata:s:a:1", "title=Kommentar",
		"-disposition:a:0", "0", "-disposition:a:2", "default", "x.mkv")...)
	info, err := media.Probe(t.Context(), path)
	require.NoError(t, err)
	require.Len(t, info.Audio, 3)
	for i, track := range info.Audio {
		require.Equal(t, i, track.Index)
		require.Equal(t, i == 2, track.Default)
	}
	require.Equal(t, "eng", info.Audio[0].Language)
	require.Equal(t, "deu", info.Audio[1].Language)
	require.Equal(t, "Kommentar", info.Audio[1].Title)
	require.Empty(t, info.Audio[2].Language)
	for track, want := range []int{3000, 0, 5000} {
		_, total := loud(t, listen(t, path, media.ExtractOptions{Track: track}))
		require.InDelta(t, want, int(total), 200, "track %d", track)
	}
	for _, track := range []int{-1, 3} {
		_, _, err = tryListen(t.Context(), path, media.ExtractOptions{Track: track})
		requireCode(t, media.BadTrack, err)
	}
}

// A track that starts later than the picture must not move forward.
func TestStartOffset(t *testing.T) {
	for _, name := range []string{"x.mp4", "x.mov", "x.mkv", "x.ts"} {
		args := []string{"-f", "lavfi", "-i", "testsrc=s=160x120:r=10:d=11", "-itsoffset", "5", "-f", "lavfi", "-i", tone, "-c:v", "mpeg4", "-c:a", "aac"}
		path := ffmpeg(t, append(args, name)...)
		info, err := media.Probe(t.Context(), path)
		require.NoError(t, err)
		if name != "x.mkv" {
			require.InDelta(t, 5000, int(info.Audio[0].Start), 100, name)
		}
		sound := listen(t, path, media.ExtractOptions{})
		first, total := loud(t, sound)
		require.InDelta(t, 5000, int(first), 100, name)
		require.InDelta(t, 3000, int(total), 300, name)
	}
}

// A gap in the timestamps is silence, as in a player.
func TestGap(t *testing.T) {
	path := ffmpeg(t, append(lavfi(tone), "-af", "asetpts='PTS+if(gte(T,3),10/TB,0)'", "-c:a", "aac", "x.mkv")...)
	sound := listen(t, path, media.ExtractOptions{})
	require.InDelta(t, 16000, int(pcm.Duration(int64(len(sound)))), 300)
	_, total := loud(t, sound[pcm.Bytes(3500):pcm.Bytes(12500)])
	require.Zero(t, total)
	_, total = loud(t, sound[pcm.Bytes(12500):])
	require.InDelta(t, 1500, int(total), 200)
}

func TestPicture(t *testing.T) {
	plain := clip(t, "-c:v", "libx264", "x.mp4")
	for degrees, want := range map[string]int{"0": 0, "90": 270, "180": 180, "270": 90} { // ffmpeg counts the other way
		path := ffmpeg(t, "-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate="+degrees, "x.mov")
		info, err := media.Probe(t.Context(), path)
		require.NoError(t, err)
		require.Equal(t, want, info.Video.Rotation, degrees)
		require.Equal(t, 160, info.Video.Width)
		require.Equal(t, 120, info.Video.Height)
	}
	// Variable frame rate says nothing about the sound.
	path := clip(t, "-vf", "select='not(mod(n,3))+lt(t,2)'", "-vsync", "vfr", "-c:v", "libx264", "x.mp4")
	first, total := loud(t, listen(t, path, media.ExtractOptions{}))
	require.InDelta(t, 0, int(first), 60)
	require.InDelta(t, 3000, int(total), 300)
	// A cover picture does not make a song a video.
	cover := ffmpeg(t, append(lavfi("testsrc=s=64x64:d=1"), "-frames:v", "1", "cover.png")...)
	song := ffmpeg(t, "-f", "lavfi", "-i", tone, "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v:0", "attached_pic", "x.mp3")
	info, err := media.Probe(t.Context(), song)
	require.NoError(t, err)
	require.Nil(t, info.Video)
}
