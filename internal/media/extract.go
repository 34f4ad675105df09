package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/media/pcm"
)

// ExtractOptions are how to cut the sound of a file into segments. Zero values mean the defaults.
type ExtractOptions struct {
	// Track is the audio track, as in [AudioTrack].Index.
	Track int
	// Segment is the length to aim at: segments have from 2/3 to 4/3 of it, the last one up to 4/3. Default: one minute.
	Segment caption.Millis
	// Whole gives the whole sound as one segment in a temporary file, for engines that want it so.
	Whole bool
	// MaxDuration is the limit of the sound's length. Default: 12 hours.
	MaxDuration caption.Millis
	// TempDir is where the file of Whole is made; empty: the system's.
	TempDir string
	// Progress, if set, is told from time to time up to where the sound has been read.
	Progress func(done caption.Millis)
}

// Segment is a piece of the sound. Segments touch: each starts where the one before it ended, and the first at 0.
type Segment struct {
	Index      int
	Start, End caption.Millis // from the start of the video as a player shows it
	// PCM is the sound in the format of package pcm; it belongs to whoever got the segment. Nil in the mode Whole.
	PCM []byte
	// File is a WAV file with the sound, in the mode Whole only. It is removed when the callback returns.
	File string
}

const (
	defaultSegment     = 60 * 1000
	defaultMaxDuration = 12 * 60 * 60 * 1000
	// stall is how long ffmpeg may go without giving sound; a file that means well gives hours of it in a second.
	stall = 60 * time.Second
)

// Extract decodes a track of the file and calls each for one segment after the other, in order. While each runs,
// decoding waits, so that memory does not grow with the file. A track that starts later than the file, and gaps in it,
// become silence, so that positions in the sound are positions in the video. info is what [Probe] told.
//
// It returns the length of the sound. An error of each ends the extraction and is returned as it is; a file that turns
// out to be damaged gives a *[caption.Error] after the segments that could be read.
func Extract(ctx context.Context, path string, info Info, opt ExtractOptions, each func(Segment) error) (caption.Millis, error) {
	if opt.Segment <= 0 {
		opt.Segment = defaultSegment
	}
	if opt.MaxDuration <= 0 {
		opt.MaxDuration = defaultMaxDuration
	}
	if len(info.Audio) == 0 {
		return 0, errNoAudio()
	}
	if opt.Track < 0 || opt.Track >= len(info.Audio) {
		return 0, errBadTrack(opt.Track, len(info.Audio))
	}
	if info.Duration > opt.MaxDuration {
		return 0, errTooLong(opt.MaxDuration)
	}
	if err := Check(); err != nil {
		return 0, err
	}
	if opt.Whole {
		return extractWhole(ctx, path, info, opt, each)
	}
	s := newSplitter(opt.Segment, each)
	length, err := decode(ctx, path, info, opt, s)
	if err != nil {
		return length, err
	}
	return length, s.flush()
}

// extractWhole writes the sound to a temporary WAV file. Its header is made at the end, when the size is known.
func extractWhole(ctx context.Context, path string, info Info, opt ExtractOptions, each func(Segment) error) (caption.Millis, error) {
	f, err := os.CreateTemp(opt.TempDir, "sound-*.wav")
	if err != nil {
		return 0, fmt.Errorf("make a file for the sound: %w", err)
	}
	defer func() {
		_ = f.Close() // It is closed already, unless something failed before.
		_ = os.Remove(f.Name())
	}()
	if _, err := f.Write(pcm.Header(0)); err != nil {
		return 0, fmt.Errorf("write sound: %w", err)
	}
	length, err := decode(ctx, path, info, opt, f)
	if err != nil {
		return length, err
	}
	if _, err := f.WriteAt(pcm.Header(pcm.Bytes(length)), 0); err != nil {
		return length, fmt.Errorf("write sound: %w", err)
	}
	if err := f.Close(); err != nil {
		return length, fmt.Errorf("write sound: %w", err)
	}
	return length, each(Segment{End: length, File: f.Name()})
}

// decode runs ffmpeg and copies whole milliseconds of sound to w. An error of w is returned as it is.
func decode(ctx context.Context, path string, info Info, opt ExtractOptions, w io.Writer) (caption.Millis, error) {
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	input, err := inputArgs(path)
	if err != nil {
		return 0, err
	}
	args := append([]string{
		"-nostdin", "-hide_banner", "-v", "error",
		// ffmpeg moves the start of a transport stream to the first track that it decodes, here the audio, which would
		// lose the track's offset; it does not do so where another offset is asked for, however small.
		"-itsoffset", "0.000001",
	}, input...)
	args = append(args,
		"-map", "0:a:"+strconv.Itoa(opt.Track), "-vn", "-sn", "-dn", "-map_metadata", "-1",
		// Makes positions in the output equal to timestamps: a late start and gaps are filled with silence.
		"-af", "aresample=async=1:first_pts=0",
		"-ac", "1", "-ar", strconv.Itoa(pcm.Rate), "-c:a", "pcm_s16le",
		// One second above the limit tells a file that is too long from one that is just within it.
		"-t", strconv.FormatFloat((opt.MaxDuration+1000).Seconds(), 'f', 3, 64),
		"-f", "s16le", "pipe:1",
	)
	var stderr tail
	cmd := command(running, &stderr, "ffmpeg", args...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, fmt.Errorf("run ffmpeg: %w", err)
	}
	if err := Start(cmd); err != nil {
		return 0, fmt.Errorf("run ffmpeg: %w", err)
	}
	watchdog := time.AfterFunc(stall, func() { cancel(errStalled) })
	length, copyErr := copySound(w, stdout, watchdog, opt)
	watchdog.Stop()
	if copyErr != nil {
		cancel(copyErr)
	}
	waitErr := cmd.Wait()
	switch {
	case copyErr != nil:
		return length, copyErr
	case ctx.Err() != nil:
		return length, fmt.Errorf("extract: %w (%w)", ctx.Err(), context.Cause(ctx))
	case running.Err() != nil:
		return length, errUnreadable().WithCause(stderr.cause(errStalled))
	}
	return length, judge(length, info, opt, &stderr, waitErr)
}

var errStalled = errors.New("ffmpeg stopped making progress")

// copySound copies from ffmpeg to w. The watchdog runs only while ffmpeg is waited for, not while w is slow.
func copySound(w io.Writer, r io.Reader, watchdog *time.Timer, opt ExtractOptions) (caption.Millis, error) {
	buf := make([]byte, 10*pcm.BytesPerSecond)
	var total int64
	for {
		watchdog.Reset(stall)
		n, _ := io.ReadFull(r, buf) // How ffmpeg ended tells why it gave less.
		ended := n < len(buf)
		watchdog.Stop()
		n = n / pcm.BytesPerMilli * pcm.BytesPerMilli // a full buffer is whole; only the very end is cut
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return pcm.Duration(total), werr
			}
			total += int64(n)
			if pcm.Duration(total) > opt.MaxDuration {
				return pcm.Duration(total), errTooLong(opt.MaxDuration)
			}
			if opt.Progress != nil {
				opt.Progress(pcm.Duration(total))
			}
		}
		if ended {
			return pcm.Duration(total), nil
		}
	}
}

// judge decides whether what was decoded is the file's sound. A few damaged frames do no harm; a missing end does.
func judge(length caption.Millis, info Info, opt ExtractOptions, stderr *tail, waitErr error) error {
	track := info.Audio[opt.Track]
	if length == 0 {
		if waitErr != nil || !stderr.empty() {
			return errUnreadable().WithCause(stderr.cause(waitErr))
		}
		return errNoAudio().WithCause(errors.New("the audio track is empty"))
	}
	// Only some files tell the length of the track itself. The length of the whole file says less, because the sound may
	// well end earlier, so that there ffmpeg must have missed the end of the file.
	expected, broken := track.Start+track.Duration, !stderr.empty()
	if track.Duration == 0 {
		expected, broken = info.Duration, stderr.has("ended prematurely", "partial file", "truncated")
	}
	missing := expected - length
	if broken && missing > 2000 && missing > expected/20 {
		return errTruncated().WithCause(stderr.cause(waitErr))
	}
	if waitErr != nil {
		return errUnreadable().WithCause(stderr.cause(waitErr))
	}
	return nil
}
