package load

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
)

// Shape is how a rate goes over the time of a run.
type Shape string

// The shapes. What is low is [Curve.Low].
const (
	Steady Shape = "steady" // the full rate all the time
	Ramp   Shape = "ramp"   // from low to the full rate in a straight line
	Spike  Shape = "spike"  // low, except for the middle fifth of the time, which has the full rate
	Sine   Shape = "sine"   // waves between low and the full rate; each begins and ends low
)

var shapes = []Shape{Steady, Ramp, Spike, Sine}

// Curve says when events are due: how many a second, and how that changes.
//
// The pacers of the load library do not fit here: they know whole numbers of events only, let the first one wait for an
// interval, which is a minute for one job a minute, and have no spike.
type Curve struct {
	Shape    Shape
	Rate     float64 // events a second, where the shape is at its highest
	Low      float64 // the part of Rate, from 0 to 1, that the shape has at its lowest
	Duration time.Duration
	Period   time.Duration // of a wave of sine; 0 is one wave in all
}

// check says what is wrong with a curve.
func (c Curve) check() error {
	switch {
	case !slices.Contains(shapes, c.Shape):
		var names []string
		for _, s := range shapes {
			names = append(names, string(s))
		}
		return invalid("There is no shape %q; there are %s.", c.Shape, strings.Join(names, ", "))
	case !(c.Rate > 0) || math.IsInf(c.Rate, 1):
		return invalid("The rate must be more than 0.")
	case !(c.Low >= 0 && c.Low <= 1):
		return invalid("What is low is a part of the full rate, from 0 to 1, not %g.", c.Low)
	case c.Duration <= 0:
		return invalid("The load must last longer than 0.")
	case c.Period < 0:
		return invalid("A wave must last longer than 0.")
	}
	return nil
}

func invalid(format string, args ...any) error {
	return caption.Errorf(caption.KindInvalid, format, args...).WithCode("usage")
}

func (c Curve) period() float64 {
	if c.Period > 0 {
		return c.Period.Seconds()
	}
	return c.Duration.Seconds()
}

// RateAt is how many events a second are due at a time after the start.
func (c Curve) RateAt(at time.Duration) float64 {
	t, d, low := at.Seconds(), c.Duration.Seconds(), c.Low*c.Rate
	switch c.Shape {
	case Ramp:
		return low + (c.Rate-low)*t/d
	case Spike:
		if t >= 0.4*d && t < 0.6*d {
			return c.Rate
		}
		return low
	case Sine:
		return low + (c.Rate-low)*(1-math.Cos(2*math.Pi*t/c.period()))/2
	}
	return c.Rate
}

// expected is how many events are due until a time in seconds: the integral of RateAt.
func (c Curve) expected(t float64) float64 {
	d, low := c.Duration.Seconds(), c.Low*c.Rate
	more := c.Rate - low
	switch c.Shape {
	case Ramp:
		return low*t + more*t*t/(2*d)
	case Spike:
		return low*t + more*min(max(t-0.4*d, 0), 0.2*d)
	case Sine:
		w := 2 * math.Pi / c.period()
		return low*t + more*(t-math.Sin(w*t)/w)/2
	}
	return c.Rate * t
}

// rounding is by how much of an event a sum may be wrong.
const rounding = 1e-6

// Events is how many events are due in all.
func (c Curve) Events() uint64 { return uint64(math.Ceil(c.expected(c.Duration.Seconds()) - rounding)) }

// Due is when an event is due after the start, counted from 0. ok is false where there are not so many.
func (c Curve) Due(n uint64) (at time.Duration, ok bool) {
	if n >= c.Events() {
		return 0, false
	}
	// The expected number never falls, so halving the interval finds the time; the shapes have no inverse in common.
	lo, hi := 0.0, c.Duration.Seconds()
	for hi-lo > 1e-9*hi && hi-lo > 1e-9 {
		mid := (lo + hi) / 2
		if c.expected(mid) < float64(n) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return time.Duration(hi * float64(time.Second)), true
}

// String describes the curve for people.
func (c Curve) String() string {
	if c.Shape == Steady {
		return fmt.Sprintf("%s over %s", c.Shape, c.Duration)
	}
	s := fmt.Sprintf("%s from %.3g %% over %s", c.Shape, c.Low*100, c.Duration)
	if c.Shape == Sine && c.Period > 0 {
		s += fmt.Sprintf(" in waves of %s", c.Period)
	}
	return s
}
