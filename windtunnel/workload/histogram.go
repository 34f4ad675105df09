package workload

import "math"

// Histogram counts durations in buckets that are at most 0.8 % wide: the top bits of a floating-point number are its
// logarithm, so that finding the bucket costs a shift. Percentiles are therefore good to 0.4 %; count, mean and maximum are exact.
type Histogram struct {
	buckets   []uint32
	low, high int
	count     uint64
	sum, max  float64
}

const (
	mantissaBits = 7
	shift        = 52 - mantissaBits
	// The buckets span 2^-24 (60 ns) to 2^24 seconds (194 days); what lies outside is counted at the ends.
	smallest = uint64(1023-24) << mantissaBits
	buckets  = 48 << mantissaBits
)

// NewHistogram is empty.
func NewHistogram() *Histogram { return &Histogram{buckets: make([]uint32, buckets), low: buckets} }

// Add counts one duration in seconds.
func (h *Histogram) Add(seconds float64) {
	bucket := 0
	if seconds > 0 {
		bucket = min(max(int(math.Float64bits(seconds)>>shift)-int(smallest), 0), buckets-1)
	}
	h.buckets[bucket]++
	h.low, h.high = min(h.low, bucket), max(h.high, bucket)
	h.count++
	h.sum += seconds
	h.max = max(h.max, seconds)
}

// Count is how many were added.
func (h *Histogram) Count() uint64 { return h.count }

// Sum of all durations.
func (h *Histogram) Sum() float64 { return h.sum }

// Max is the largest; meaningless when the count is 0.
func (h *Histogram) Max() float64 { return h.max }

// Quantile is the duration that a fraction q of all did not exceed; meaningless when the count is 0.
func (h *Histogram) Quantile(q float64) float64 {
	rank := uint64(math.Ceil(q * float64(h.count)))
	var seen uint64
	for bucket := h.low; bucket <= h.high; bucket++ {
		seen += uint64(h.buckets[bucket])
		if seen >= rank && seen > 0 {
			if bucket == 0 {
				return 0
			}
			edge := func(b int) float64 { return math.Float64frombits((smallest + uint64(b)) << shift) }
			return min((edge(bucket)+edge(bucket+1))/2, h.max)
		}
	}
	return h.max
}

// Reset empties the histogram.
func (h *Histogram) Reset() {
	if h.count > 0 {
		clear(h.buckets[h.low : h.high+1])
	}
	h.low, h.high, h.count, h.sum, h.max = buckets, 0, 0, 0, 0
}
