package mongostore

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"

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

// pack returns v as compressed JSON, about an eighth as long as BSON.
func pack(v any) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
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
