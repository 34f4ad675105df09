package media

import "k8s-scalers/internal/caption"

// Codes of the errors that a file can cause. All but MissingProgram are of kind [caption.KindInvalid].
const (
	EmptyFile      = "empty_file"
	NotMedia       = "not_media"      // not a video or audio file, whatever its name says
	Disguised      = "disguised"      // a list of other files that poses as a video
	Truncated      = "truncated"      // a part of the file is missing
	Encrypted      = "encrypted"      // protected by DRM or a key
	NoAudio        = "no_audio"       // nothing to caption
	BadTrack       = "bad_track"      // the audio track that was asked for does not exist
	TooLong        = "too_long"       // longer than the limit
	Unreadable     = "unreadable"     // the sound is damaged, or in a codec that ffmpeg does not know
	MissingProgram = "ffmpeg_missing" // [caption.KindUnavailable]: ffmpeg or ffprobe is not installed
)

func invalid(code, format string, args ...any) *caption.Error {
	return caption.Errorf(caption.KindInvalid, format, args...).WithCode(code)
}

func errEmpty() *caption.Error {
	return invalid(EmptyFile, "The file is empty. Choose another file, or upload it again.")
}

func errNotMedia() *caption.Error {
	return invalid(NotMedia, "This is not a video or audio file of a known type. Choose one of MP4, MOV, MKV, WebM, AVI, MPEG-TS, MP3, M4A, WAV, FLAC, Ogg, Opus or AAC.")
}

func errDisguised() *caption.Error {
	return invalid(Disguised, "This is a playlist that names other files, not a video. Choose the video itself.")
}

func errTruncated() *caption.Error {
	return invalid(Truncated, "A part of the file is missing: it was cut off while it was recorded, copied or sent. Copy or upload it again.")
}

func errEncrypted() *caption.Error {
	return invalid(Encrypted, "The file is encrypted or copy-protected. Choose a file without protection.")
}

func errNoAudio() *caption.Error {
	return invalid(NoAudio, "The file has no sound, so there is nothing to caption.")
}

func errUnreadable() *caption.Error {
	return invalid(Unreadable, "The sound of the file cannot be decoded: it is damaged, or in a format that is not supported. Convert the file to MP4 with AAC sound, for example, and try again.")
}

func errTooLong(limit caption.Millis) *caption.Error {
	return invalid(TooLong, "The file is longer than the limit of %s. Cut it into parts.", limit.Duration())
}

func errBadTrack(track, have int) *caption.Error {
	if have == 1 {
		return invalid(BadTrack, "There is no audio track %d: the file has a single one, which has the number 0.", track)
	}
	return invalid(BadTrack, "There is no audio track %d: the file has the tracks 0 to %d.", track, have-1)
}
