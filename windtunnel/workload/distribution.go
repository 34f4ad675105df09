package workload

import (
	"math"
	"math/rand/v2"
)

// Distribution draws positive numbers, such as seconds of service.
type Distribution interface {
	Draw(r *rand.Rand) float64
	Mean() float64
}

// Constant always draws itself.
type Constant float64

// Draw implements Distribution.
func (c Constant) Draw(*rand.Rand) float64 { return float64(c) }

// Mean implements Distribution.
func (c Constant) Mean() float64 { return float64(c) }

// Exponential has this mean.
type Exponential float64

// Draw implements Distribution.
func (e Exponential) Draw(r *rand.Rand) float64 { return float64(e) * r.ExpFloat64() }

// Mean implements Distribution.
func (e Exponential) Mean() float64 { return float64(e) }

// LogNormal is what service and boot times usually look like: most are near the median, some take much longer.
type LogNormal struct{ mu, sigma float64 }

// NewLogNormal has a median and a 95th percentile.
func NewLogNormal(median, p95 float64) LogNormal {
	const z95 = 1.6448536269514722
	return LogNormal{mu: math.Log(median), sigma: math.Log(p95/median) / z95}
}

// NewLogNormalByMean has a mean and a coefficient of variation (standard deviation by mean).
func NewLogNormalByMean(mean, variation float64) LogNormal {
	s2 := math.Log(1 + variation*variation)
	return LogNormal{mu: math.Log(mean) - s2/2, sigma: math.Sqrt(s2)}
}

// Draw implements Distribution.
func (l LogNormal) Draw(r *rand.Rand) float64 { return math.Exp(l.mu + l.sigma*r.NormFloat64()) }

// Mean implements Distribution.
func (l LogNormal) Mean() float64 { return math.Exp(l.mu + l.sigma*l.sigma/2) }

// Uniform draws between its ends.
type Uniform struct{ Low, High float64 }

// Draw implements Distribution.
func (u Uniform) Draw(r *rand.Rand) float64 { return u.Low + (u.High-u.Low)*r.Float64() }

// Mean implements Distribution.
func (u Uniform) Mean() float64 { return (u.Low + u.High) / 2 }
