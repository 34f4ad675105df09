package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes the result. The same result gives the same bytes.
func (r *Result) WriteJSON(w io.Writer) error {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write the result as JSON: %w", err)
	}
	_, err := w.Write(buffer.Bytes())
	return err
}

// ReadJSON reads what WriteJSON wrote, and refuses what is of another version or does not check.
func ReadJSON(from io.Reader) (*Result, error) {
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	r := New(Axis{})
	if err := decoder.Decode(r); err != nil {
		return nil, fmt.Errorf("this is not a result of windtunnel: %w", err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("the result has format %d, this program reads format %d; run the scenario again", r.Format, Format)
	}
	if found := r.Check(); len(found) > 0 {
		return nil, fmt.Errorf("the result contradicts itself: %w", found[0])
	}
	return r, nil
}
