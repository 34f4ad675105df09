// Package media reads videos and audio files from strangers: what is in them ([Probe]) and their sound, cut at silences
// into segments for speech recognition ([Extract]). It runs ffprobe and ffmpeg and nothing else runs them. It does not
// know where files come from, nor what becomes of the sound.
//
// Files are hostile until proved otherwise. The type of a file is found from its content, never from its name; only
// the demuxers of self-contained files are allowed, so that a playlist that poses as a video reaches no other file and
// no address; arguments are passed as they are, without a shell; what is read from a program is bounded; and a program
// is killed with all its children when the context ends or when it stops making progress.
package media
