// Package pcm holds what the media and speech packages know about raw sound in the one format that they exchange:
// 16 kHz, mono, signed 16-bit little-endian. It reads and writes that format as WAV, measures levels, and finds pauses.
// It runs no programs and decodes no other format; that is for package media.
package pcm

import (
	"encoding/binary"

	"k8s-scalers/internal/caption"
)

// The format.
const (
	Rate           = 16000 // samples a second
	BytesPerSample = 2
	BytesPerSecond = Rate * BytesPerSample
	BytesPerMilli  = BytesPerSecond / 1000
)

// Duration returns the length of so many bytes of sound.
func Duration(bytes int64) caption.Millis { return caption.Millis(bytes / BytesPerMilli) }

// Bytes returns how many bytes of sound last so long.
func Bytes(m caption.Millis) int64 { return int64(m) * BytesPerMilli }

// Sample returns the i-th sample of data.
func Sample(data []byte, i int) int16 {
	return int16(binary.LittleEndian.Uint16(data[i*BytesPerSample:]))
}
