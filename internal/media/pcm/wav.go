package pcm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// HeaderSize is the size of the header that [Header] makes.
const HeaderSize = 44

// ErrWAV is in the chain of every error about a WAV file that is not in the format of this package.
var ErrWAV = errors.New("not a WAV file of 16 kHz, mono, 16-bit samples")

// Header returns the WAV header for dataSize bytes of sound. Sizes beyond 4 GiB, which the format cannot tell, are
// written as the largest one.
func Header(dataSize int64) []byte {
	size := uint32(min(max(dataSize, 0), math.MaxUint32-36))
	h := make([]byte, 0, HeaderSize)
	h = append(h, "RIFF"...)
	h = binary.LittleEndian.AppendUint32(h, size+36)
	h = append(h, "WAVEfmt "...)
	h = binary.LittleEndian.AppendUint32(h, 16) // size of the format chunk
	h = binary.LittleEndian.AppendUint16(h, 1)  // linear PCM
	h = binary.LittleEndian.AppendUint16(h, 1)  // channels
	h = binary.LittleEndian.AppendUint32(h, Rate)
	h = binary.LittleEndian.AppendUint32(h, BytesPerSecond)
	h = binary.LittleEndian.AppendUint16(h, BytesPerSample)
	h = binary.LittleEndian.AppendUint16(h, 8*BytesPerSample)
	h = append(h, "data"...)
	return binary.LittleEndian.AppendUint32(h, size)
}

// NewWAV returns a reader of data as a WAV file, without copying data.
func NewWAV(data []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(Header(int64(len(data)))), bytes.NewReader(data))
}

// WAVSize returns the size of the file that [NewWAV] reads for so many bytes of sound.
func WAVSize(dataSize int64) int64 { return HeaderSize + dataSize }

// ReadHeader reads r up to the first sample and returns how many bytes of sound the header promises. Chunks that do
// not matter are skipped. The error is [ErrWAV] where r is another format, and r's own error where reading failed.
func ReadHeader(r io.Reader) (dataSize int64, err error) {
	var riff [12]byte
	if err := readFull(r, riff[:]); err != nil {
		return 0, err
	}
	if string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return 0, fmt.Errorf("%w: no RIFF header", ErrWAV)
	}
	formatSeen := false
	for {
		var chunk [8]byte
		if err := readFull(r, chunk[:]); err != nil {
			return 0, err
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch string(chunk[:4]) {
		case "fmt ":
			if err := readFormat(r, size); err != nil {
				return 0, err
			}
			formatSeen = true
		case "data":
			if !formatSeen {
				return 0, fmt.Errorf("%w: sound before its format", ErrWAV)
			}
			return size, nil
		default:
			if err := skip(r, size+size%2); err != nil { // chunks are padded to an even size
				return 0, err
			}
		}
	}
}

// ReadAll reads a WAV file and returns its sound. The header's size is not trusted: a file that ends early gives what is
// there, and nothing is allocated for a promise.
func ReadAll(r io.Reader) ([]byte, error) {
	size, err := ReadHeader(r)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(r, size)); err != nil {
		return nil, fmt.Errorf("read sound: %w", err)
	}
	return b.Bytes()[:b.Len()/BytesPerSample*BytesPerSample], nil
}

func readFormat(r io.Reader, size int64) error {
	if size < 16 || size > 1024 {
		return fmt.Errorf("%w: format chunk of %d bytes", ErrWAV, size)
	}
	f := make([]byte, size+size%2)
	if err := readFull(r, f); err != nil {
		return err
	}
	tag, channels := binary.LittleEndian.Uint16(f), binary.LittleEndian.Uint16(f[2:])
	rate, bits := binary.LittleEndian.Uint32(f[4:]), binary.LittleEndian.Uint16(f[14:])
	if tag != 1 || channels != 1 || rate != Rate || bits != 8*BytesPerSample {
		return fmt.Errorf("%w: format %d, %d channels, %d Hz, %d bits", ErrWAV, tag, channels, rate, bits)
	}
	return nil
}

func readFull(r io.Reader, p []byte) error {
	switch _, err := io.ReadFull(r, p); {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends in its header", ErrWAV)
	default:
		return fmt.Errorf("read WAV header: %w", err)
	}
}

func skip(r io.Reader, n int64) error {
	switch _, err := io.CopyN(io.Discard, r, n); {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it ends in its header", ErrWAV)
	default:
		return fmt.Errorf("read WAV header: %w", err)
	}
}
