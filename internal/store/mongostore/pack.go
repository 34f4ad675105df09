package mongostore

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"k8s-scalers/internal/caption"
)

// maxPacked is how long what is packed in one document may be, in bytes: a document has at most 16 MiB, with the rest of it.
const maxPacked = 15 << 20

// checkLength tells whether things of these lengths fit into a document.
func checkLength(lengths ...int) error {
	total := 0
	for _, n := range lengths {
		total += n
	}
	if total > maxPacked {
		return caption.Errorf(caption.KindTooLarge, "These are more words than can be stored for one video. Cut it into shorter ones.").WithCode("too_large")
	}
	return nil
}

// compressors are used again, because a new one clears 1 MB, for the few hundred bytes of a segment.
var compressors = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // The level is a good one.
	return z
}}

// pack returns v as compressed JSON, about an eighth as long as BSON.
func pack(v any) ([]byte, error) {
	z := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	var b bytes.Buffer
	z.Reset(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpack reads what pack has made.
func unpack(b []byte, v any) error {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err == nil {
		err = json.NewDecoder(z).Decode(v)
	}
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}
