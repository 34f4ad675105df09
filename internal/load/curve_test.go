package load

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func curves() map[string]Curve {
	m := time.Minute
	return map[string]Curve{
		"steady":           {Shape: Steady, Rate: 50, Duration: m},
		"slow":             {Shape: Steady, Rate: 1.0 / 90, Duration: 10 * m},
		"ramp":             {Shape: Ramp, Rate: 40, Low: 0.25, Duration: 2 * m},
		"ramp from 0":      {Shape: Ramp, Rate: 7.5, Duration: m},
		"ramp that is one": {Shape: Ramp, Rate: 7.5, Low: 1, Duration: m},
		"spike":            {Shape: Spike, Rate: 100, Low: 0.05, Duration: 5 * m},
		"spike from 0":     {Shape: Spike, Rate: 3, Duration: m},
		"sine":             {Shape: Sine, Rate: 20, Low: 0.1, Duration: 10 * m, Period: 3 * m},
		"one wave":         {Shape: Sine, Rate: 0.5, Duration: 10 * m},
	}
}

// The times of the events are checked against the rate itself, summed up in small steps.
func TestEventsAreDueAtTheRate(t *testing.T) {
	for name, c := range curves() {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, c.check())
			const step = time.Millisecond
			sum, n := 0.0, uint64(0)
			due, ok := c.Due(n)
			for at := time.Duration(0); at < c.Duration; at += step {
				sum += c.RateAt(at+step/2) * step.Seconds()
				for ; ok && due <= at; due, ok = c.Due(n) {
					require.InDelta(t, float64(n), sum, 0.25+1e-4*sum, "event %d is due at %s", n, due)
					n++
				}
			}
			require.Equal(t, c.Events(), n, "all of them are due within the time")
			require.InDelta(t, sum, float64(n), 1.01)
			_, ok = c.Due(n)
			require.False(t, ok)
			first, ok := c.Due(0)
			require.True(t, ok)
			require.Less(t, first, time.Millisecond, "the first one does not wait")
		})
	}
}

func TestShapesReachTheirLevels(t *testing.T) {
	d := 10 * time.Minute
	for _, c := range []struct {
		shape Shape
		at    time.Duration
		want  float64
	}{
		{Steady, 0, 100}, {Steady, d, 100},
		{Ramp, 0, 20}, {Ramp, d / 2, 60}, {Ramp, d, 100},
		{Spike, d / 10, 20}, {Spike, d / 2, 100}, {Spike, d * 9 / 10, 20},
		{Sine, 0, 20}, {Sine, d / 4, 60}, {Sine, d / 2, 100}, {Sine, d, 20},
	} {
		got := Curve{Shape: c.shape, Rate: 100, Low: 0.2, Duration: d}.RateAt(c.at)
		require.InDelta(t, c.want, got, 1e-9, "%s at %s", c.shape, c.at)
	}
}

func TestCurvesThatCannotBe(t *testing.T) {
	good := Curve{Shape: Sine, Rate: 1, Low: 0.5, Duration: time.Minute, Period: time.Second}
	require.NoError(t, good.check())
	for want, change := range map[string]func(*Curve){
		`no shape "square"; there are steady, ramp, spike, sine`: func(c *Curve) { c.Shape = "square" },
		"The rate must be more than 0":                           func(c *Curve) { c.Rate = math.NaN() },
		"from 0 to 1, not 1.5":                                   func(c *Curve) { c.Low = 1.5 },
		"last longer than 0":                                     func(c *Curve) { c.Duration = 0 },
		"A wave must last":                                       func(c *Curve) { c.Period = -1 },
	} {
		c := good
		change(&c)
		require.ErrorContains(t, c.check(), want)
	}
}
