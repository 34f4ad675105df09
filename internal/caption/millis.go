package caption

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Millis is a position in a video, or a length of time in one, in whole milliseconds: the resolution of SRT and
// WebVTT, so that comparing times and writing them loses nothing. In JSON it is a number of seconds with at most
// three decimals, as speech engines and players use.
type Millis int64

// Seconds returns the Millis nearest to s seconds.
func Seconds(s float64) Millis { return Millis(math.Round(s * 1000)) }

// MillisOf returns d in whole milliseconds.
func MillisOf(d time.Duration) Millis { return Millis(d.Round(time.Millisecond) / time.Millisecond) }

// Duration returns m as a [time.Duration].
func (m Millis) Duration() time.Duration { return time.Duration(m) * time.Millisecond }

// Seconds returns m in seconds.
func (m Millis) Seconds() float64 { return float64(m) / 1000 }

// MarshalJSON writes seconds, for example 12.345.
func (m Millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(m)/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads a number of seconds.
func (m *Millis) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1e9 {
		return fmt.Errorf("a time is a number of seconds, not %.40q", b)
	}
	*m = Seconds(f)
	return nil
}
