package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Value is a number that may be unknown. Make an unknown one with Unknown; the zero Value is a zero, so whoever fills in
// a Result starts from New, which sets every Value to unknown.
type Value float64

// Unknown is the value of what was not measured, not modelled or never happened.
func Unknown() Value { return Value(math.NaN()) }

// Known tells whether v is a number.
func (v Value) Known() bool { return !math.IsNaN(float64(v)) }

// Or returns v, or otherwise where v is unknown.
func (v Value) Or(otherwise float64) float64 {
	if !v.Known() {
		return otherwise
	}
	return float64(v)
}

// significant is how many digits of a fraction are written. It is far below what float64 holds, so that sums that were
// added up in another order still read the same.
const significant = 9

// text is the shortest form that has the digits that matter. Whole numbers are exact.
func (v Value) text() string {
	f := float64(v)
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.FormatInt(int64(f), 10)
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', significant, 64), 64)
	if err != nil {
		rounded = f
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// MarshalJSON writes null for an unknown value. Infinity is a mistake of whoever computed it, and an error here.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.Known() {
		return []byte("null"), nil
	}
	if math.IsInf(float64(v), 0) {
		return nil, fmt.Errorf("a value is infinite; what cannot be computed is unknown")
	}
	return []byte(v.text()), nil
}

// UnmarshalJSON reads null as unknown.
func (v *Value) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		*v = Unknown()
		return nil
	}
	var f float64
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*v = Value(f)
	return nil
}

// Series is one value for each point of a Result's axis. An empty Series is one that the run does not have.
type Series []Value

// UnknownSeries is n unknown values, to be filled in as the run goes on.
func UnknownSeries(n int) Series {
	s := make(Series, n)
	for i := range s {
		s[i] = Unknown()
	}
	return s
}

// Max is the largest known value.
func (s Series) Max() Value {
	highest := Unknown()
	for _, v := range s {
		if v.Known() && (!highest.Known() || v > highest) {
			highest = v
		}
	}
	return highest
}

// Min is the smallest known value.
func (s Series) Min() Value {
	lowest := Unknown()
	for _, v := range s {
		if v.Known() && (!lowest.Known() || v < lowest) {
			lowest = v
		}
	}
	return lowest
}

// Mean is the mean of the known values.
func (s Series) Mean() Value {
	var sum float64
	var n int
	for _, v := range s {
		if v.Known() {
			sum += float64(v)
			n++
		}
	}
	if n == 0 {
		return Unknown()
	}
	return Value(sum / float64(n))
}
