package media

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
)

// Info is what is in a file.
type Info struct {
	// Container is the name of the format as ffprobe calls it, for example "mov,mp4,m4a,3gp,3g2,mj2".
	Container string
	// Duration is what the file says of itself; 0 where it does not say, as recordings of browsers do not.
	Duration caption.Millis
	// Audio are the audio tracks in the order of the file; never empty.
	Audio []AudioTrack
	// Video is the first video track; nil where there is none. The cover picture of a song is none.
	Video *VideoTrack
}

// AudioTrack is one of the audio tracks of a file.
type AudioTrack struct {
	Index      int    // among the audio tracks, from 0
	Codec      string // as ffprobe calls it, for example "aac"
	Language   string // as the file says, usually ISO 639-2; empty where it does not say
	Title      string
	Default    bool // marked in the file as the one to play
	Channels   int
	SampleRate int
	// Start is when the track starts, counted from the start of the file as a player shows it.
	Start caption.Millis
	// Duration of the track; 0 where the file does not say.
	Duration caption.Millis
}

// VideoTrack is the picture of a video.
type VideoTrack struct {
	Codec         string
	Width, Height int // as stored, before the rotation
	Rotation      int // clockwise, in degrees: 0, 90, 180 or 270
}

// probeTimeout bounds the reading of headers, which takes well below a second for a file that means well.
const probeTimeout = 60 * time.Second

// probeOutput bounds what ffprobe may say about the at most 64 tracks of a file.
const probeOutput = 1 << 20

// Probe finds out what is in the file. A file that cannot be captioned gives a *[caption.Error] of kind
// [caption.KindInvalid] with one of the codes of this package; NoAudio is among them.
func Probe(ctx context.Context, path string) (Info, error) {
	if err := Check(); err != nil {
		return Info{}, err
	}
	head, err := readHead(path)
	if err != nil {
		return Info{}, err
	}
	if listsFiles(head) {
		return Info{}, errDisguised()
	}
	out, failure, err := ffprobe(ctx, path)
	if err != nil {
		return Info{}, err
	}
	if failure != nil {
		if headOfMP4(head) {
			// Such a file lacks its table of contents (moov), which most writers put at the end.
			return Info{}, errTruncated().WithCause(failure)
		}
		return Info{}, errNotMedia().WithCause(failure)
	}
	return parseProbe(out)
}

// ffprobe returns what ffprobe says of the file; failure is set where it does not understand the file.
func ffprobe(ctx context.Context, path string) (out []byte, failure, err error) {
	limited, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	input, err := inputArgs(path)
	if err != nil {
		return nil, nil, err
	}
	args := append([]string{
		"-hide_banner", "-v", "error", "-of", "json",
		// The first packet tells of encryption, which the headers that ffprobe shows do not.
		"-show_entries", "format=format_name,start_time,duration:" +
			"stream=codec_type,codec_name,codec_tag_string,channels,sample_rate,start_time,duration,width,height:" +
			"stream_tags=language,title,rotate:stream_disposition=default,attached_pic:stream_side_data=rotation:" +
			"packet=stream_index:packet_side_data=side_data_type",
		"-read_intervals", "%+#1",
	}, input...)
	var stderr tail
	cmd := command(limited, &stderr, "ffprobe", args...)
	var stdout bytes.Buffer
	cmd.Stdout = &limitedWriter{w: &stdout, left: probeOutput}
	runErr := Start(cmd)
	if runErr == nil {
		runErr = cmd.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return nil, nil, fmt.Errorf("probe: %w (%w)", ctx.Err(), context.Cause(ctx))
	case limited.Err() != nil:
		return nil, stderr.cause(errors.New("ffprobe took too long")), nil
	case runErr != nil:
		return nil, stderr.cause(runErr), nil
	}
	return stdout.Bytes(), nil, nil
}

// limitedWriter fails once more than left bytes are written.
type limitedWriter struct {
	w    io.Writer
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("too much output")
	}
	return l.w.Write(p)
}

func readHead(path string) ([]byte, error) {
	stat, err := os.Stat(path) // Opening a pipe would wait.
	if err == nil && !stat.Mode().IsRegular() {
		return nil, errNotMedia().WithCause(fmt.Errorf("mode %s", stat.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, caption.Errorf(caption.KindNotFound, "The file does not exist.").WithCode("no_file").WithCause(err)
		}
		if errors.Is(err, os.ErrPermission) {
			return nil, caption.Errorf(caption.KindForbidden, "The file cannot be read: permission denied.").WithCode("no_permission").WithCause(err)
		}
		return nil, fmt.Errorf("open media file: %w", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read media file: %w", err)
	}
	if n == 0 {
		return nil, errEmpty()
	}
	return head[:n], nil
}

// listsFiles tells whether a file begins like a list of other files. The whitelist of demuxers is what protects; this
// gives a message that says more than "not a video".
func listsFiles(head []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, mark := range []string{"#EXTM3U", "ffconcat version", "[playlist]"} {
		if bytes.HasPrefix(text, []byte(mark)) {
			return true
		}
	}
	return bytes.Contains(text, []byte("<MPD")) || bytes.Contains(text, []byte("<SmoothStreamingMedia"))
}

// headOfMP4 tells whether a file begins with a box that files of the MP4 family begin with.
func headOfMP4(head []byte) bool {
	return len(head) >= 8 && slices.Contains([]string{"ftyp", "moov", "mdat", "free", "skip", "wide"}, string(head[4:8]))
}

// The JSON of ffprobe. Numbers that may be missing are strings there.
type probeJSON struct {
	Format struct {
		FormatName string `json:"format_name"`
		StartTime  string `json:"start_time"`
		Duration   string `json:"duration"`
	} `json:"format"`
	Streams []streamJSON `json:"streams"`
	Packets []struct {
		SideData []struct {
			Type string `json:"side_data_type"`
		} `json:"side_data_list"`
	} `json:"packets"`
}

type streamJSON struct {
	CodecType   string `json:"codec_type"`
	CodecName   string `json:"codec_name"`
	CodecTag    string `json:"codec_tag_string"`
	Channels    int    `json:"channels"`
	SampleRate  string `json:"sample_rate"`
	StartTime   string `json:"start_time"`
	Duration    string `json:"duration"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Disposition struct {
		Default     int `json:"default"`
		AttachedPic int `json:"attached_pic"`
	} `json:"disposition"`
	Tags struct {
		Language string `json:"language"`
		Title    string `json:"title"`
		Rotate   string `json:"rotate"`
	} `json:"tags"`
	SideData []struct {
		Rotation float64 `json:"rotation"`
	} `json:"side_data_list"`
}

func parseProbe(out []byte) (Info, error) {
	var p probeJSON
	if err := json.Unmarshal(out, &p); err != nil {
		return Info{}, fmt.Errorf("what ffprobe says: %w", err)
	}
	for _, packet := range p.Packets {
		for _, d := range packet.SideData {
			if d.Type == "Encryption info" || d.Type == "Encryption initialization data" {
				return Info{}, errEncrypted()
			}
		}
	}
	info := Info{Container: p.Format.FormatName, Duration: positive(p.Format.Duration)}
	start, _ := seconds(p.Format.StartTime)
	for _, s := range p.Streams {
		if slices.Contains([]string{"enca", "encv", "drms", "drmi"}, s.CodecTag) {
			return Info{}, errEncrypted()
		}
		switch {
		case s.CodecType == "audio":
			info.Audio = append(info.Audio, audioTrack(len(info.Audio), s, start))
		case s.CodecType == "video" && s.Disposition.AttachedPic == 0 && info.Video == nil:
			info.Video = &VideoTrack{Codec: s.CodecName, Width: s.Width, Height: s.Height, Rotation: rotation(s)}
		}
	}
	if len(info.Audio) == 0 {
		return Info{}, errNoAudio()
	}
	return info, nil
}

func audioTrack(index int, s streamJSON, start caption.Millis) AudioTrack {
	t := AudioTrack{
		Index: index, Codec: s.CodecName, Title: s.Tags.Title, Channels: s.Channels,
		Default: s.Disposition.Default != 0, Duration: positive(s.Duration),
	}
	if l := s.Tags.Language; l != "und" { // ISO 639-2 for "undetermined"
		t.Language = l
	}
	t.SampleRate, _ = strconv.Atoi(s.SampleRate)
	if own, ok := seconds(s.StartTime); ok {
		t.Start = own - start
	}
	return t
}

// rotation returns the clockwise rotation of a picture. The display matrix, which newer files have, counts the other way.
func rotation(s streamJSON) int {
	r, _ := strconv.ParseFloat(s.Tags.Rotate, 64)
	for _, d := range s.SideData {
		if d.Rotation != 0 {
			r = -d.Rotation
		}
	}
	if math.IsNaN(r) || math.Abs(r) > 3600 {
		return 0
	}
	return ((int(math.Round(r/90))*90)%360 + 360) % 360
}

// seconds parses a time of ffprobe; ok is false where it is missing or senseless.
func seconds(s string) (m caption.Millis, ok bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1e9 {
		return 0, false
	}
	return caption.Seconds(f), true
}

func positive(s string) caption.Millis {
	m, _ := seconds(s)
	return max(m, 0)
}
